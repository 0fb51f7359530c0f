"""What every presence store does: the tests of the port, run on each of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from matrix_presence.interfaces import (
    Batch,
    DestinationRow,
    DeviceRow,
    IPresenceStore,
    ListRow,
    StoreHead,
    UserRow,
)
from matrix_presence.rules.states import NAMES
from tests.base import TestCase

ALICE = UserRow(
    user_id="@alice:hs.test",
    presence="online",
    status_msg="In the garden \N{POTTED PLANT}\nuntil 5",
    last_active_ts=1_700_000_000_000,
    currently_active=True,
    position=7,
    displayname="Alice",
    avatar_url="mxc://hs.test/alice",
    devices=(
        DeviceRow("PHONE", "online", 0, 1_700_000_000_000),
        DeviceRow("LAPTOP", "unavailable", 2, 1_600_000_000_000),
    ),
)

BOB = UserRow(
    user_id="@bob:hs.test",
    presence="offline",
    status_msg=None,
    last_active_ts=0,
    currently_active=False,
    position=0,
)

#: Texts that both engines take: no NUL, no lone surrogate.
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30
)

integers = st.integers(-(2**63), 2**63 - 1)

device_rows = st.builds(
    DeviceRow,
    device_id=texts,
    presence=st.sampled_from(NAMES),
    hold=st.integers(0, 3),
    last_active_ts=integers,
)

user_rows = st.builds(
    UserRow,
    user_id=texts.filter(bool),
    presence=st.sampled_from(NAMES),
    status_msg=st.none() | texts,
    last_active_ts=integers,
    currently_active=st.booleans(),
    position=integers,
    displayname=st.none() | texts,
    avatar_url=st.none() | texts,
    devices=st.lists(device_rows, max_size=4).map(tuple),
)


if TYPE_CHECKING:
    Mixin = TestCase
else:
    # No TestCase: the runners would take it for tests of nothing.
    Mixin = object


class PresenceStoreTests(Mixin):
    """Tests of `IPresenceStore`; who inherits them says which store in `start`."""

    store: IPresenceStore

    def setUp(self) -> None:
        self.store = self.start()

    def start(self) -> IPresenceStore:
        """A store that is not open yet, on the data of the ones before it."""
        raise NotImplementedError

    async def stored(self, limit: int = 3) -> list[UserRow]:
        """Everything in the store, read in slices of `limit`."""
        rows: list[UserRow] = []
        after = ""
        while found := await self.store.load(after, limit):
            self.assertLessEqual(len(found), limit)
            rows += found
            after = found[-1].user_id
        return rows

    async def test_it_keeps_the_port(self) -> None:
        """It has the methods that the interface names, and they answer Deferreds."""
        verifyObject(IPresenceStore, self.store)
        for done in (
            self.store.open(),
            self.store.load("", 1),
            self.store.load_lists(("", ""), 1),
            self.store.load_old_servers(),
            self.store.load_destinations("", 1),
            self.store.write(Batch()),
            self.store.close(0),
        ):
            self.assertIsInstance(done, Deferred)
            await done

    async def lists(self, limit: int = 2) -> list[ListRow]:
        """Every entry of a presence list, read in slices of `limit`."""
        rows: list[ListRow] = []
        after = ("", "")
        while found := await self.store.load_lists(after, limit):
            self.assertLessEqual(len(found), limit)
            rows += found
            after = found[-1].observer, found[-1].observed
        return rows

    async def test_entries_of_lists_are_kept_in_order(self) -> None:
        """They come back by observer and observed, the last word on each (A-72)."""
        await self.store.open()
        names = [(a, b) for a in "abc" for b in "abc"]
        rows = [ListRow(f"@{a}:hs", f"@{b}:hs", a < b) for a, b in names]
        await self.store.write(Batch(lists=rows[::-1]))
        self.assertEqual(await self.lists(), rows)
        changed = [
            attrs.evolve(rows[0], accepted=True),
            attrs.evolve(rows[4], accepted=None),
            ListRow("@no:hs", "@no:hs", None),
        ]
        await self.store.write(Batch(lists=changed))
        self.assertEqual(await self.lists(), [changed[0], *rows[1:4], *rows[5:]])

    async def test_what_others_have_yet_to_be_told_is_kept(self) -> None:
        """An entry has what there is to know of it, and one that is no more is kept
        until it is told (A-72, C-20, C-24)."""
        await self.store.open()
        rows = [
            ListRow("@a:hs", "@a:there", None, untold=True),
            ListRow("@b:there", "@b:hs", True, wanted=False),
            ListRow("@c:there", "@c:hs", False, asked_ts=2**40),
            ListRow("@d:hs", "@d:there", True, untold=True),
        ]
        await self.store.write(Batch(lists=rows))
        self.assertEqual(await self.lists(), rows)
        told = [attrs.evolve(row, untold=False) for row in rows]
        await self.store.write(Batch(lists=told))
        self.assertEqual(await self.lists(), told[1:])

    async def test_old_servers_are_remembered(self) -> None:
        """Each once, over a restart (X-9)."""
        await self.store.open()
        for names in (["b.test", "a.test:8448"], ["b.test"], []):
            await self.store.write(Batch(old_servers=names))
        await self.store.close(1)
        self.store = self.start()
        await self.store.open()
        found = await self.store.load_old_servers()
        self.assertEqual(list(found), ["a.test:8448", "b.test"])

    async def test_entries_of_lists_outlive_the_store(self) -> None:
        """The next life finds them, beside the users (A-72)."""
        await self.store.open()
        row = ListRow(ALICE.user_id, BOB.user_id, False)
        await self.store.write(Batch([ALICE], lists=[row]))
        await self.store.close(1)
        self.store = self.start()
        await self.store.open()
        self.assertEqual(await self.lists(), [row])
        self.assertEqual(await self.stored(), [ALICE])

    async def destinations(self, limit: int = 2) -> list[DestinationRow]:
        """What is kept of every server, read in slices of `limit`."""
        rows: list[DestinationRow] = []
        while found := await self.store.load_destinations(
            rows[-1].server_name if rows else "", limit
        ):
            self.assertLessEqual(len(found), limit)
            rows += found
        return rows

    async def test_what_is_kept_of_servers_comes_back_as_written(self) -> None:
        """In the order of their names, over a restart, the last word on each (C-11)."""
        await self.store.open()
        rows = [
            DestinationRow("a.test", 3, 1_700_000_000_000, 1_700_000_060_000, True),
            DestinationRow("b.test", unwanted_until=2**40),
            DestinationRow("c.test", failures=1, failing_since=5, retry_ts=6),
            DestinationRow("d.test:8448", owed=True),
        ]
        await self.store.write(Batch(destinations=rows[::-1]))
        await self.store.close(1)
        self.store = self.start()
        await self.store.open()
        self.assertEqual(await self.destinations(), rows)
        changed = attrs.evolve(rows[3], failures=1)
        plain = [DestinationRow("a.test"), DestinationRow("no.test")]
        await self.store.write(Batch(destinations=[changed, *plain]))
        self.assertEqual(await self.destinations(), [*rows[1:3], changed])

    async def test_a_new_store_is_empty_and_clean(self) -> None:
        """The first start ever finds nothing, and nothing to put in order."""
        self.assertEqual(await self.store.open(), StoreHead(reserved=0, clean=True))
        self.assertEqual(await self.stored(), [])

    async def test_what_was_written_is_there_after_a_restart(self) -> None:
        """After an orderly end users are there, and positions go on where they were.

        (B-53)
        """
        await self.store.open()
        refused = await self.store.write(Batch([ALICE, BOB], reserved=12))
        self.assertEqual(set(refused), set())
        await self.store.close(7)
        self.store = self.start()
        self.assertEqual(await self.store.open(), StoreHead(reserved=7, clean=True))
        self.assertEqual(await self.stored(), [ALICE, BOB])

    async def test_a_store_that_was_not_closed_is_not_clean(self) -> None:
        """After a crash, what was written is there and the next start is told."""
        await self.store.open()
        await self.store.write(Batch([ALICE], reserved=12))
        self.store = self.start()
        self.assertEqual(await self.store.open(), StoreHead(reserved=12, clean=False))
        self.assertEqual(await self.stored(), [ALICE])

    async def test_a_second_crash_is_noticed_too(self) -> None:
        """Opening marks the store as in use, however it was left."""
        for position in (5, None):
            await self.store.open()
            await self.store.close(position)
            for _ in range(2):
                self.store = self.start()
                head = await self.store.open()
            self.assertFalse(head.clean)

    async def test_a_close_may_say_that_it_is_not_clean(self) -> None:
        """Whoever could not write everything says so at the end."""
        await self.store.open()
        await self.store.close(None)
        self.store = self.start()
        self.assertEqual(await self.store.open(), StoreHead(reserved=0, clean=False))

    async def test_a_user_is_replaced_as_a_whole(self) -> None:
        """A later row of the same user leaves nothing of the earlier one."""
        await self.store.open()
        await self.store.write(Batch([ALICE]))
        changed = attrs.evolve(BOB, user_id=ALICE.user_id)
        await self.store.write(Batch([changed]))
        self.assertEqual(await self.stored(), [changed])

    async def test_the_last_row_of_a_user_counts(self) -> None:
        """A user who is in a batch twice is stored as the last row says."""
        await self.store.open()
        later = attrs.evolve(ALICE, status_msg="In bed")
        await self.store.write(Batch([ALICE, BOB, later]))
        self.assertEqual(await self.stored(), [later, BOB])

    async def test_forgotten_users_are_gone(self) -> None:
        """Nothing is kept of a forgotten user, even one in the same batch."""
        await self.store.open()
        await self.store.write(Batch([ALICE, BOB]))
        await self.store.write(Batch([ALICE], forgotten=[ALICE.user_id, "@no:one"]))
        self.assertEqual(await self.stored(), [BOB])

    async def test_the_reserved_position_never_goes_back(self) -> None:
        """A smaller `reserved` is ignored, so that no position is given twice."""
        await self.store.open()
        for reserved in (5, 9, 3, 0):
            await self.store.write(Batch(reserved=reserved))
        self.store = self.start()
        self.assertEqual((await self.store.open()).reserved, 9)

    async def test_overlapping_batches_keep_their_order(self) -> None:
        """Batches written without waiting are stored in the order of the calls."""
        await self.store.open()
        versions = [attrs.evolve(ALICE, position=each) for each in range(20)]
        writes = [self.store.write(Batch([each])) for each in versions]
        for done in writes:
            await done
        self.assertEqual(await self.stored(), [versions[-1]])

    async def test_slices_are_in_the_order_of_user_ids(self) -> None:
        """Slices of any size add up to everything, in order and once."""
        await self.store.open()
        rows = [attrs.evolve(BOB, user_id=f"@user{each}:hs.test") for each in "52413"]
        await self.store.write(Batch(rows))
        in_order = sorted(rows, key=lambda row: row.user_id)
        for limit in (1, 2, 5, 100):
            self.assertEqual(await self.stored(limit), in_order)

    async def test_a_large_batch_is_one_write(self) -> None:
        """Thousands of users are stored with one call."""
        await self.store.open()
        rows = [
            attrs.evolve(ALICE, user_id=f"@user{each:05}:hs.test")
            for each in range(3000)
        ]
        self.assertEqual(set(await self.store.write(Batch(rows))), set())
        self.assertEqual(await self.stored(1000), rows)

    @given(st.lists(user_rows, max_size=5, unique_by=lambda row: row.user_id))
    async def test_any_user_comes_back_as_written(self, rows: list[UserRow]) -> None:
        """Every text, number and list of devices survives byte for byte."""
        await self.store.open()
        self.assertEqual(set(await self.store.write(Batch(rows))), set())
        found = {row.user_id: row for row in await self.stored()}
        self.assertEqual(found, {row.user_id: row for row in rows})
        await self.store.write(Batch(forgotten=list(found)))
        self.assertEqual(await self.stored(), [])


class SqlRefusalTests(PresenceStoreTests):
    """The same, and what stores in SQL do with rows that cannot be written."""

    def unwritable(self) -> Iterable[UserRow]:
        """Rows that this database cannot hold, each for a reason of its own."""
        return [
            attrs.evolve(BOB, user_id="@c:hs.test", status_msg="half \ud83d"),
            attrs.evolve(BOB, user_id="@d:hs.test", last_active_ts=2**63),
            attrs.evolve(
                BOB,
                user_id="@e:hs.test",
                devices=(DeviceRow("half \ud83d", "online", 0, 0),),
            ),
            attrs.evolve(BOB, user_id="@\udc00:hs.test"),
        ]

    async def test_only_rows_that_cannot_be_written_are_left_out(self) -> None:
        """A batch is stored but for such rows, and their user ids are the answer."""
        await self.store.open()
        bad = list(self.unwritable())
        refused = await self.store.write(Batch([ALICE, *bad, BOB], reserved=4))
        self.assertEqual(set(refused), {row.user_id for row in bad})
        self.assertEqual(await self.stored(), [ALICE, BOB])
        self.store = self.start()
        self.assertEqual((await self.store.open()).reserved, 4)

    async def test_a_refused_row_leaves_the_stored_one(self) -> None:
        """The last row of a user that could be written stays."""
        await self.store.open()
        await self.store.write(Batch([ALICE]))
        refused = await self.store.write(
            Batch([attrs.evolve(ALICE, status_msg="\ud800")])
        )
        self.assertEqual(set(refused), {ALICE.user_id})
        self.assertEqual(await self.stored(), [ALICE])
