"""How often clients of a process that does not write presence are woken."""

from __future__ import annotations

from typing import Any, ClassVar

from synapse.handlers.presence import WorkerPresenceHandler
from synapse.replication.tcp.streams import PresenceStream
from synapse.types import StreamKeyType

from matrix_presence.config import parse
from matrix_presence.synapse.worker_wakeups import wake_in_windows
from tests.synapse.in_process import InProcessTestCase, Person

ALICE, BOB = "@alice:hs", "@bob:hs"


class WorkerWakeupTests(InProcessTestCase):
    """Synapse's own handler of a worker, told by replication of what was written."""

    module: ClassVar[Any] = None

    def setUp(self) -> None:
        """Alice and Bob share a room."""
        super().setUp()
        self.alice, self.bob = self.person("alice"), self.person("bob")
        self.room(self.alice, self.bob)
        self.handler: Any = WorkerPresenceHandler(self.homeserver)
        #: When, in ms of this test, whom, and for which position a wake-up was.
        self.woken: list[tuple[int, set[str], int]] = []
        notifier = self.homeserver.get_notifier()
        stock: Any = notifier.on_new_event
        self.began = self.reactor.seconds()

        def on_new_event(
            stream_key: StreamKeyType, new_token: Any, users: Any = (), rooms: Any = ()
        ) -> None:
            if stream_key is StreamKeyType.PRESENCE:
                now = round((self.reactor.seconds() - self.began) * 1000)
                self.woken.append((now, set(map(str, users)), new_token))
            stock(stream_key, new_token, users=users, rooms=rooms)

        self.patch(notifier, "on_new_event", on_new_event)
        self.token = 1000

    def windows(self, **options: Any) -> None:
        """What the module does there, with these options."""
        wake_in_windows(self.homeserver, self.handler, parse(options))

    def write(self, user_id: str = ALICE) -> None:
        """A row that the writer has written, in which something is new."""
        self.token += 1
        message = f"status {self.token}"
        row = PresenceStream.PresenceStreamRow(
            user_id, "online", 1, 1, 1, message, False
        )
        telling = self.handler.process_replication_rows(
            PresenceStream.NAME, "writer", self.token, [row]
        )
        self.run_now(telling)

    def write_for(self, seconds: int) -> int:
        """As many ticks as a writer may have in so many seconds; how many they are."""
        for _ in range(seconds * 8):
            self.write()
            self.pass_time(0.125, 0.125)
        return seconds * 8

    def poll(self, person: Person) -> Any:
        """A poll that presence does not end, and that looks when it is woken."""
        options = {"filter": '{"presence": {"not_types": ["*"]}}'}
        _, token = self.sync(person, **options)
        path = self.sync_path(token, timeout=300, **options)
        poll = self.asking("GET", path, None, person)
        self.pass_time(0.5)
        self.assertFalse(poll.is_answered)
        return poll

    def test_synapse_wakes_for_each_tick(self) -> None:
        """As long as nothing is done about it."""
        self.assertEqual(self.write_for(3), len(self.woken))

    def test_ticks_wake_once_a_window(self) -> None:
        """However many there are; the first after a quiet time at once."""
        self.windows(client_window="2s", client_wakeups_per_second=0)
        self.write_for(10)
        self.pass_time(2, 0.125)
        times = [when for when, _, _ in self.woken]
        self.assertEqual([0, 2000, 4000, 6000, 8000, 10_000], times)

    def test_nobody_is_forgotten(self) -> None:
        """The last wake-up is for all that came, and then it is quiet."""
        self.windows(client_window="2s", client_wakeups_per_second=0)
        self.write()
        for user_id in (ALICE, BOB, ALICE):
            self.write(user_id)
        self.pass_time(10, 0.125)
        (first, last) = self.woken
        self.assertEqual((0, {ALICE}, 1001), first)
        self.assertEqual((2000, {ALICE, BOB}, 1004), last)
        self.write()
        self.assertEqual(3, len(self.woken))

    def test_many_who_wait_make_the_pauses_longer(self) -> None:
        """So that no more are woken in a second than the budget has."""
        people = [self.alice, self.bob]
        for person in people:
            self.poll(person)
        self.began = self.reactor.seconds()
        del self.woken[:]
        self.windows(client_window="500ms", client_wakeups_per_second=1)
        self.write_for(5)
        times = [when for when, _, _ in self.woken]
        self.assertEqual([0, 2000, 4000], times)

    def test_who_waits_is_told_in_the_end(self) -> None:
        """A poll returns with what is new once the window is over."""
        self.windows(client_window="2s", client_wakeups_per_second=0)
        self.write()
        _, token = self.sync(self.bob, set_presence="offline")
        path = self.sync_path(token, timeout=30, set_presence="offline")
        poll = self.asking("GET", path, None, self.bob)
        self.pass_time(0.2)
        self.assertFalse(poll.is_answered)
        # It is there to be read, as it would be after replication.
        self.put(self.alice, "online", status_msg="news")
        self.write()
        self.pass_time(3, 0.125)
        (event,) = poll.answer().json["presence"]["events"]
        self.assertEqual("news", event["content"]["status_msg"])

    def test_without_windows_nothing_is_changed(self) -> None:
        """Nor where Synapse has another handler than the one that is known."""
        notifier = self.handler.notifier
        self.windows(client_window=0, client_wakeups_per_second=0)
        self.assertIs(notifier, self.handler.notifier)
        other: Any = object()
        wake_in_windows(self.homeserver, other, parse({}))
