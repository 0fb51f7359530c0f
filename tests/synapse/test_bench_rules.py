"""What the benches hold Synapse to is what Synapse does.

`contrib.bench` compares with a model of what Synapse sends to other servers in a day.
Here some people live through an hour or so of such a day on a Synapse as it comes, by
its own servlets: each poll, message and status. The model, given the same hours, says
whom others are told of, what and when, and in how many transactions it arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import quote

from synapse.logging.context import PreserveLoggingContext

from contrib.bench.day import Event, day_of
from contrib.bench.neighbourhood import Room
from contrib.bench.polls import Timelines, polled
from contrib.bench.synapse_polled import SynapsePolled
from contrib.bench.synapse_sending import SynapseSending
from tests.synapse import in_process
from tests.synapse.in_process import Asked, InProcessTestCase, Person

_HOUR = 3600.0
_BEGINS, _ENDS = 13.6 * _HOUR, 14.85 * _HOUR
#: A day on which somebody sets a status in these hours, and some stay for so long that
#: others are told of them again.
_SEED = 23
#: After it, until all have gone and others know.
_SETTLES = 120.0
_USERS = 6
_DEVICES = "phone", "desktop"
#: By the numbers of users and of servers. Nobody talks where nobody listens: some
#: polls are long.
_ROOMS = (Room([0, 1, 2, 3], [0, 1]), Room([2, 3], [1]), Room([4, 5], [2]))
#: What presence does not end is what the model's polls are.
_NO_PRESENCE = '{"presence":{"types":[]}}'
#: When the hours begin; a multiple of 5 s, as midnight is.
_BEGAN_AT = 1_790_000_100.0
#: Seconds by which sums of times since 1970 may differ that should not.
_FLOAT = 1e-5

#: The number of a user, what others are told of them, and when.
Told = tuple[int, str, float]


def servers_that_see(user: int) -> list[int]:
    """Those that share a room with this user."""
    return sorted(
        {one for room in _ROOMS if user in room.users for one in room.servers}
    )


def hours() -> list[Event]:
    """What people do in these hours with what they pick up in them; from 0 s on."""
    connected: set[tuple[int, str]] = set()
    events: list[Event] = []
    for event in day_of(_USERS, seed=_SEED):
        if not _BEGINS <= event.at < _ENDS:
            continue
        where = event.user, event.device
        if event.what in ("online", "unavailable"):
            connected.add(where)
        if where in connected or event.what == "status":
            # In ms, as Synapse has them: none may be rounded to either side.
            events.append(event._replace(at=round(event.at - _BEGINS, 3) + 1e-4))
        if event.what == "gone":
            connected.discard(where)
    ends = _ENDS - _BEGINS
    return events + [Event(ends, *where, "gone") for where in sorted(connected)]


class RulesTests(InProcessTestCase):
    """Synapse with its own presence, and the rate limit that it ships."""

    module: ClassVar[Mapping[str, Any] | None] = None
    sections: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"rc_presence": {"per_user": {"per_second": 0.1, "burst_count": 1}}}
    )

    def setUp(self) -> None:
        """Start it at an odd moment, and make the people and their rooms."""
        self.patch(in_process, "_EPOCH", 1_790_000_001.7)
        super().setUp()
        # It looks who is due from 35 s after its start on, each 5 s.
        self.looks_at = round(self.now() * 1000) % 5000
        self.people = {
            (user, device): self.person(f"user{user}", device)
            for user in range(_USERS)
            for device in _DEVICES
        }
        self.room_ids = [self.shared(room) for room in _ROOMS]
        self.tokens: dict[Person, str] = {}
        self.polls: dict[Person, Asked] = {}
        #: When clients go away, with a poll or without.
        self.ends: set[Event] = set()
        #: Once for all servers that are told.
        self.told: set[Told] = set()
        self.offline_in_polls = 0
        self.entries = self.transactions = 0
        sender: Any = self.homeserver.get_federation_sender()
        self.tell_servers: Any = sender.send_presence_to_destinations
        sender.send_presence_to_destinations = self.tell
        client: Any = self.homeserver.get_federation_transport_client()
        client.send_transaction = self.take
        self.live_until(0.0)

    def shared(self, room: Room) -> str:
        """A room of these users and of somebody on each of these servers."""
        room_id = self.room(*(self.people[user, "phone"] for user in room.users))
        for server in room.servers:
            self.inject_join(room_id, f"@them:server{server}")
        return room_id

    async def tell(self, states: Any, destinations: Any) -> None:
        """Synapse decides to tell others of users."""
        at = round(self.now(), 3)
        for state in states:
            user = int(state.user_id.removeprefix("@user").removesuffix(":hs"))
            self.told.add((user, state.state, at))
            polls = any(self.people[user, device] in self.polls for device in _DEVICES)
            self.offline_in_polls += polls and state.state == "offline"
        await self.tell_servers(states, destinations)

    async def take(
        self, transaction: Any, json_data_callback: Callable[[], Any]
    ) -> dict[str, Any]:
        """A transaction arrives at another server."""
        for edu in transaction.edus:
            if edu["edu_type"] == "m.presence":
                self.transactions += 1
                self.entries += len(edu["content"]["push"])
        return {"pdus": {}}

    def now(self) -> float:
        """Seconds since the hours began."""
        return self.reactor.seconds() - _BEGAN_AT

    def live_until(self, at: float) -> None:
        """Time passes, and whatever is due happens just when it is."""
        ends, calls = _BEGAN_AT + at, self.reactor.calls
        with PreserveLoggingContext():
            while calls and calls[0].getTime() <= ends + _FLOAT:
                due = calls[0].getTime() - self.reactor.seconds()
                self.reactor.advance(max(0.0, due))
            self.reactor.advance(max(0.0, ends - self.reactor.seconds()))

    def live(self, event: Event, room: int | None) -> None:
        """A client does this."""
        person = self.people[event.user, event.device]
        if event.what == "active":
            assert room is not None
            room_id = quote(self.room_ids[room], safe="")
            path = f"v3/rooms/{room_id}/send/m.room.message/{event.at}"
            self.done_now("PUT", path, {"msgtype": "m.text", "body": "hello"}, person)
        elif event.what == "status":
            body = {"presence": "online", "status_msg": f"{event.at}"}
            self.done_now("PUT", f"v3/{person.path}", body, person)
        elif event.what == "gone":
            poll = self.polls.pop(person)
            if event in self.ends:
                poll.give_up()
            else:
                self.tokens[person] = poll.answer().json["next_batch"]
        else:
            since = self.tokens.get(person)
            says = {"set_presence": event.what, "filter": _NO_PRESENCE}
            path = self.sync_path(since, 30, **says)
            self.polls[person] = self.asking("GET", path, None, person)

    def done_now(self, *args: Any) -> None:
        """A request that is answered before any time has passed."""
        assert self.asking(*args).answer().code == 200

    def test_model_tells_what_synapse_tells(self) -> None:
        """To the same servers, of the same users, the same, at the same times."""
        events = hours()
        timelines = Timelines(events, _ROOMS, seed=1)
        lived: list[Event] = []
        self.ends = {event for event in events if event.what == "gone"}
        for event in polled(events, timelines):
            just_before = event.at - 0.001
            if just_before > self.now():
                self.live_until(just_before)
                # Each returns when it is said to: see `live`.
                self.assertFalse(any(poll.is_answered for poll in self.polls.values()))
            self.live_until(event.at)
            self.live(event, timelines.room_of.get(event))
            lived.append(event)
        until = events[-1].at + _SETTLES
        self.live_until(until)

        told: list[Told] = []
        servers_of = [servers_that_see(user) for user in range(_USERS)]
        sending = SynapseSending(servers_of, lambda server, at: True)

        def tell(user: int, at: float, state: str) -> None:
            told.append((user, state, round(at, 3)))
            sending.tell(user, at)

        model = SynapsePolled(tell, self.looks_at)
        for event in lived:
            model.happened(event)
        model.pass_time(until)
        self.assertEqual(sorted(told), sorted(self.told))
        # Whom Synapse looks at first is left to a set: of these, it does not matter.
        self.assertEqual(sending.entries, self.entries)
        self.assertEqual(sending.transactions, self.transactions)
        # What sets this apart from polls without end: some who poll are offline.
        self.assertTrue(self.offline_in_polls)
