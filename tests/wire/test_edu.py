"""The `m.presence` EDU, written and read."""

from __future__ import annotations

import json
from typing import Any

from canonicaljson import encode_canonical_json
from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.ids import server_of
from matrix_presence.rules.profiles import Profile
from matrix_presence.rules.states import Presence
from matrix_presence.wire.edu import (
    LONGEST_STATUS,
    MOST_BYTES,
    Update,
    entries_of,
    entry,
    packed,
    parse_entry,
)
from tests.base import TestCase

ALICE = "@alice:there"

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
#: Anything that a JSON reader can make.
anything = st.recursive(
    scalars,
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(st.text(max_size=10), below, max_size=4)
    ),
    max_leaves=8,
)
user_ids = st.sampled_from([ALICE, "@bob:there", "@carol:here", "nope", "@:there"])
#: Entries that are nearly right.
entries = st.fixed_dictionaries(
    {},
    optional={
        "user_id": user_ids | anything,
        "presence": st.sampled_from(["online", "offline", "zzz"]) | anything,
        "last_active_ago": st.integers() | anything,
        "currently_active": st.booleans() | anything,
        "status_msg": st.text() | anything,
        "displayname": st.text() | anything,
        "avatar_url": st.just("mxc://there/a") | anything,
    },
)
#: Texts as users and other software leave them, unfit ones too.
texts = st.none() | st.text(
    st.characters(exclude_categories=[]) | st.just("\ud800") | st.just("\0"),
    max_size=30,
)


def said(**keys: Any) -> dict[str, Any]:
    """A complete entry about Alice, but for these keys."""
    whole = {
        "user_id": ALICE,
        "presence": "online",
        "last_active_ago": 5000,
        "currently_active": True,
        "status_msg": "hello",
    }
    return whole | keys


def read(**keys: Any) -> Update:
    """What is read of a good entry with these keys."""
    update = parse_entry(said(**keys), "there")
    assert update is not None
    return update


class EntryTests(TestCase):
    """What a push says of one user."""

    @given(
        st.sampled_from(Presence),
        texts,
        st.integers(),
        st.booleans() | st.integers(0, 1),
        texts,
        texts,
        st.booleans(),
    )
    def test_it_is_strictly_typed(
        self, presence, status_msg, ago, active, displayname, avatar_url, busy
    ) -> None:
        """Whatever a user did, other servers can read what they are sent (C-5)."""
        profile = Profile(displayname, avatar_url)
        one = entry(ALICE, presence, status_msg, ago, active, profile, busy=busy)
        edus, count = packed([one])
        self.assertEqual(1, count)
        (push,) = json.loads(edus.canonical)[0]["content"]["push"]
        self.assertEqual(push, edus[0]["content"]["push"][0])
        self.assertEqual(ALICE, push["user_id"])
        states = {"online", "offline", "unavailable", "org.matrix.msc3026.busy"}
        self.assertIn(push["presence"], states)
        self.assertIs(int, type(push["last_active_ago"]))
        self.assertTrue(0 <= push["last_active_ago"] < 2**53)
        self.assertIs(bool, type(push.get("currently_active", False)))
        for key in ("status_msg", "displayname", "avatar_url"):
            text = push.get(key, "")
            self.assertIs(str, type(text))
            self.assertNotIn("\0", text)
            text.encode()

    def test_free_for_chat_goes_out_as_online(self) -> None:
        """Other servers are only told states that all of them know (X-9)."""
        one = entry(ALICE, Presence.FREE_FOR_CHAT, None, 0, True)
        self.assertEqual("online", one["presence"])
        self.assertTrue(one["currently_active"])

    def test_busy_goes_out_as_itself_or_as_unavailable(self) -> None:
        """Busy is told where it is switched on; MSC3026 names what stands for it."""
        raw = entry(ALICE, Presence.BUSY, None, 0, False)
        plain = entry(ALICE, Presence.BUSY, None, 0, False, busy=False)
        self.assertEqual("org.matrix.msc3026.busy", raw["presence"])
        self.assertEqual("unavailable", plain["presence"])

    def test_profile_keys_go_along(self) -> None:
        """Name and picture are in the push (D-8)."""
        profile = Profile("Alice", "mxc://here/a")
        one = entry(ALICE, Presence.ONLINE, None, 0, True, profile)
        self.assertEqual("Alice", one["displayname"])
        self.assertEqual("mxc://here/a", one["avatar_url"])


class PackedTests(TestCase):
    """Entries in EDUs in a transaction."""

    def pack(self, count: int, status: str = "x") -> tuple[Any, int]:
        """So many users with this status."""
        return packed(
            entry(f"@user{each}:here", Presence.ONLINE, status, 0, True)
            for each in range(count)
        )

    def test_an_edu_has_fifty_users_at_most(self) -> None:
        """More users make more EDUs (C-10)."""
        edus, count = self.pack(120)
        sizes = [len(edu["content"]["push"]) for edu in edus]
        self.assertEqual(([50, 50, 20], 120), (sizes, count))

    def test_a_transaction_has_a_hundred_edus_at_most(self) -> None:
        """What does not fit is left for another transaction (C-40)."""
        edus, count = self.pack(6000)
        self.assertEqual((100, 5000), (len(edus), count))

    @given(st.sampled_from(["x", "\N{POTTED PLANT}", "\1"]), st.integers(1, 8192))
    def test_an_edu_fits_into_64_kib(self, character, length) -> None:
        """However long the statuses are, no EDU is larger than others take (C-10)."""
        edus, count = self.pack(60, character * length)
        self.assertEqual(60, count)
        for edu in edus:
            self.assertLessEqual(len(encode_canonical_json(edu)), MOST_BYTES)

    def test_a_text_that_is_too_long_for_any_edu_is_left_out(self) -> None:
        """The user is told of all the same."""
        edus, _ = self.pack(1, "x" * 70_000)
        self.assertNotIn("status_msg", edus[0]["content"]["push"][0])

    def test_its_canonical_json_is_that_of_its_edus(self) -> None:
        """Who signs can take the encoded form as it is (C-90)."""
        edus, _ = self.pack(60, "caf\N{LATIN SMALL LETTER E WITH ACUTE}")
        self.assertEqual(encode_canonical_json(list(edus)), edus.canonical)

    def test_nobody_makes_no_edus(self) -> None:
        """An empty push is not sent."""
        edus, count = packed([])
        self.assertEqual(((), b"[]", 0), (edus, edus.canonical, count))


class ParseTests(TestCase):
    """What other servers say."""

    def test_a_whole_entry(self) -> None:
        """Everything the schema has is read."""
        self.assertEqual(
            Update(ALICE, Presence.ONLINE, "hello", 5000, True, {}), read()
        )

    @given(entries | anything)
    def test_whatever_comes_is_read_or_left_out(self, one) -> None:
        """No JSON raises, and nobody speaks for users of others (C-3, C-4)."""
        update = parse_entry(one, "there")
        if update is not None:
            self.assertEqual("there", server_of(update.user_id))
            self.assertGreaterEqual(update.last_active_ago or 0, 0)

    @given(anything)
    def test_whatever_comes_as_an_edu_has_entries_or_none(self, edu) -> None:
        """An EDU that is none of presence has no entries (C-4)."""
        self.assertEqual((), tuple(entries_of(edu)))
        content = {"edu_type": "m.presence", "content": {"push": edu}}
        self.assertIsInstance(list(entries_of(content)), list)
        self.assertEqual([], list(entries_of({**content, "edu_type": "m.typing"})))

    def test_users_of_other_servers_are_left_out(self) -> None:
        """The server of the user has to be the origin, to the letter (C-3)."""
        for wrong in ("@alice:here", "@alice:THERE", "@alice:there:1", "alice:there"):
            self.assertIsNone(parse_entry(said(user_id=wrong), "there"))

    def test_entries_of_the_wrong_type_are_left_out(self) -> None:
        """Each of them alone, and the whole of it (C-4, C-5)."""
        wrong: list[dict[str, Any]] = [
            {"user_id": 5},
            {"user_id": None},
            {"presence": 5},
            {"presence": None},
            {"last_active_ago": "5"},
            {"last_active_ago": 5.5},
            {"last_active_ago": True},
            {"currently_active": 1},
            {"status_msg": ["hello"]},
            {"status_msg": "\0"},
            {"status_msg": "\ud800"},
        ]
        for keys in wrong:
            self.assertIsNone(parse_entry(said(**keys), "there"), keys)

    def test_unknown_states_claim_the_least(self) -> None:
        """Names that nobody has settled on are unavailable, and who hides is offline
        (C-6, A-114)."""
        meanings = {
            "offline": Presence.OFFLINE,
            "unavailable": Presence.UNAVAILABLE,
            "online": Presence.ONLINE,
            "free_for_chat": Presence.FREE_FOR_CHAT,
            "org.matrix.msc3026.busy": Presence.BUSY,
            "busy": Presence.BUSY,
            "hidden": Presence.OFFLINE,
            "zzz": Presence.UNAVAILABLE,
            "": Presence.UNAVAILABLE,
        }
        for name, meaning in meanings.items():
            self.assertIs(meaning, read(presence=name).presence, name)

    def test_what_is_missing_has_its_meaning(self) -> None:
        """No status is none, no activity is not active, no time is not known (C-8)."""
        update = parse_entry({"user_id": ALICE, "presence": "online"}, "there")
        self.assertEqual(Update(ALICE, 2, None, None, False, {}), update)

    def test_null_is_missing(self) -> None:
        """As old servers pushed it (C-8, C-23)."""
        update = read(status_msg=None, last_active_ago=None, currently_active=None)
        self.assertEqual(Update(ALICE, 2, None, None, False, {}), update)

    def test_a_time_to_come_is_now(self) -> None:
        """A negative time counts as zero (C-7)."""
        self.assertEqual(0, read(last_active_ago=-5000).last_active_ago)

    def test_only_who_is_online_is_currently_active(self) -> None:
        """The flag means nothing with any other state (B-30)."""
        self.assertFalse(read(presence="unavailable").currently_active)

    def test_a_long_status_is_cut(self) -> None:
        """What a server says of a user fits into memory (C-43, D-35)."""
        status = read(status_msg="x" * 60_000).status_msg
        assert status is not None
        self.assertEqual(LONGEST_STATUS, len(status))

    def test_profile_keys_are_checked(self) -> None:
        """A name or picture that cannot be one is ignored, and nothing else (D-9)."""
        good = read(displayname="Al", avatar_url="mxc://there/a").profile
        self.assertEqual({"displayname": "Al", "avatar_url": "mxc://there/a"}, good)
        for keys in (
            {"displayname": 5, "avatar_url": ["mxc://there/a"]},
            {"displayname": "x" * 257, "avatar_url": "javascript:alert(1)"},
        ):
            self.assertEqual({}, read(**keys).profile)

    def test_profile_keys_can_be_taken_away(self) -> None:
        """Null and the empty text say that there is none any more (D-9)."""
        taken = read(displayname=None, avatar_url="").profile
        self.assertEqual({"displayname": None, "avatar_url": None}, taken)
