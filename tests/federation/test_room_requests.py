"""What is asked of other servers about rooms and users, and what is made of it."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from matrix_presence.errors import Forbidden, MatrixError, Unrecognized
from matrix_presence.federation.client import (
    BadAnswer,
    Bounds,
    FederationClient,
    Refused,
    Unreachable,
)
from matrix_presence.federation.people_requests import PeopleRequests
from matrix_presence.federation.room_requests import RoomRequests
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.signed import SignedRequests
from matrix_presence.wire.room_versions import ROOM_VERSIONS
from tests.base import TestCase
from tests.federation.servers import Internet, Server

ROOM, ALICE, EVENT_ID = "!room/1:there", "@alice:here", "$event/+"
V1, V2 = "/_matrix/federation/v1", "/_matrix/federation/v2"
PDU = {"type": "m.room.member", "room_id": ROOM, "content": {}}
#: Our parser takes it, and neither our encoder nor `repr` does.
DEEP = b"[" * 1010 + b"]" * 1010


class IncompatibleVersion(MatrixError):
    """A refusal that says more than most."""

    errcode = "M_INCOMPATIBLE_ROOM_VERSION"


class AskingTestCase(TestCase):
    """A server that asks, and one that says what the test lets it say."""

    def setUp(self) -> None:
        """Start both."""
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.internet = Internet()
        self.here = Server(self.internet, self.clock, "here")
        self.there = Server(self.internet, self.clock, "there")
        self.rooms = RoomRequests(self.here.client)
        self.people = PeopleRequests(self.here.client)
        #: What was asked: path as sent, and body.
        self.asked: list[tuple[str, Any]] = []

    def answer(self, method: str, path: str, answer: Any) -> None:
        """Answer this, an exception by refusing, bytes as they are, from now on."""
        signed = SignedRequests(
            self.there.authentication.origin_of, self.there.heard.append
        )

        async def endpoint(call: Call) -> Answer:
            if method == "GET":
                content, origin = None, await signed.origin(call)
            else:
                origin, content = await signed.read(call)
            self.assertEqual("here", origin)
            self.asked.append((call.request.uri.decode(), content))
            if isinstance(answer, Exception):
                raise answer
            return answer if type(answer) is bytes else (200, answer)

        self.there.router.add(method, path.removeprefix("/"), endpoint)

    def ask(self, asking: Coroutine[Deferred[Any], Any, Any]) -> Any:
        """What came of it."""
        return self.successResultOf(Deferred.fromCoroutine(asking))

    def fails(
        self, asking: Coroutine[Deferred[Any], Any, Any], kind: type[Exception]
    ) -> Any:
        """Why nothing came of it."""
        return self.failureResultOf(Deferred.fromCoroutine(asking), kind).value


class TemplateTests(AskingTestCase):
    """The events that others prepare for us."""

    def template(self, **changes: Any) -> dict[str, Any]:
        """A template that is right, but for the changes."""
        event = {
            "type": "m.room.member",
            "room_id": ROOM,
            "sender": ALICE,
            "state_key": ALICE,
            "content": {"membership": "join"},
            "depth": 7,
            "prev_events": ["$a"],
            "auth_events": ["$b"],
        }
        return {key: one for key, one in (event | changes).items() if one is not None}

    def make_join(self, answer: Any) -> Any:
        """Ask for a template; the coroutine."""
        self.answer("GET", f"{V1}/make_join/{{room}}/{{user}}", answer)
        return self.rooms.make_join("there", ROOM, ALICE)

    def test_a_template_names_its_room_version(self) -> None:
        """All versions that we know are offered (C-80)."""
        template = self.ask(
            self.make_join({"room_version": "11", "event": self.template()})
        )
        self.assertIs(ROOM_VERSIONS["11"], template.version)
        self.assertEqual(7, template.event["depth"])
        ((path, _),) = self.asked
        self.assertTrue(
            path.startswith(f"{V1}/make_join/%21room%2F1%3Athere/%40alice%3Ahere?ver=1")
        )
        self.assertEqual(len(ROOM_VERSIONS), path.count("ver="))

    def test_a_template_for_something_else_is_not_signed(self) -> None:
        """Another server could have us say anything (C-80)."""
        wrong: tuple[dict[str, Any], ...] = (
            {"type": "m.room.message"},
            {"room_id": "!other:there"},
            {"sender": "@bob:here"},
            {"state_key": "@bob:here"},
            {"content": {"membership": "ban"}},
            {"content": []},
            {"content": None},
            {"depth": None},
            {"depth": True},
            {"prev_events": {}},
            {"auth_events": None},
        )
        for changes in wrong:
            with self.subTest(changes):
                self.setUp()
                answer = {"room_version": "11", "event": self.template(**changes)}
                self.fails(self.make_join(answer), BadAnswer)

    def test_a_room_of_an_unknown_version_is_not_joined(self) -> None:
        """We could not tell what its events mean (C-80)."""
        for version in ("org.example.wild", 11, ["11"], None):
            with self.subTest(version):
                self.setUp()
                answer = {"room_version": version, "event": self.template()}
                self.fails(self.make_join(answer), BadAnswer)
        self.setUp()
        self.fails(self.make_join(b'{"room_version": %b}' % DEEP), BadAnswer)

    def test_a_refusal_says_why(self) -> None:
        """With the status and the errcode of the other server (C-80)."""
        why = self.fails(self.make_join(IncompatibleVersion("too old")), Refused)
        self.assertEqual(
            (400, "M_INCOMPATIBLE_ROOM_VERSION", "too old"),
            (why.status, why.errcode, why.error),
        )

    def test_a_leave_is_prepared_too(self) -> None:
        """To turn an invite down (C-82)."""
        event = self.template(content={"membership": "leave"})
        self.answer("GET", f"{V1}/make_leave/{{room}}/{{user}}", {"event": event})
        template = self.ask(self.rooms.make_leave("there", ROOM, ALICE))
        # Servers of old do not say the version.
        self.assertIs(ROOM_VERSIONS["1"], template.version)


class HandingInTests(AskingTestCase):
    """Events that others have to take before they count."""

    def send_join(self) -> Any:
        """Hand a join in; the coroutine."""
        return self.rooms.send_join("there", ROOM, EVENT_ID, PDU)

    def test_a_join_brings_the_state(self) -> None:
        """And what it rests on (C-81)."""
        answer = {"state": [{"a": 1}], "auth_chain": [{"b": 2}], "event": PDU}
        self.answer("PUT", f"{V2}/send_join/{{room}}/{{event}}", answer)
        joined = self.ask(self.send_join())
        self.assertEqual([{"a": 1}], list(joined.state))
        self.assertEqual([{"b": 2}], list(joined.auth_chain))
        self.assertEqual(PDU, joined.event)
        ((path, content),) = self.asked
        self.assertEqual(PDU, content)
        self.assertIn("%21room%2F1%3Athere/%24event%2F%2B?omit_members=false", path)

    def test_less_than_the_whole_state_is_refused(self) -> None:
        """We would not know who is there (C-81)."""
        partial: tuple[dict[str, Any], ...] = (
            {"state": [], "auth_chain": [], "members_omitted": True},
            {"state": [1], "auth_chain": []},
            {"state": [], "auth_chain": {}},
            {"auth_chain": []},
        )
        for answer in partial:
            with self.subTest(answer):
                self.setUp()
                self.answer("PUT", f"{V2}/send_join/{{room}}/{{event}}", answer)
                self.fails(self.send_join(), BadAnswer)

    def test_servers_of_old_know_version_one_only(self) -> None:
        """Its answer repeats the status (C-82)."""
        answer = [200, {"state": [], "auth_chain": [], "event": "x"}]
        self.answer("PUT", f"{V1}/send_join/{{room}}/{{event}}", answer)
        self.assertIsNone(self.ask(self.send_join()).event)

    def test_another_refusal_is_final(self) -> None:
        """Only an endpoint that is not there makes us look for the older one."""
        self.answer("PUT", f"{V2}/send_join/{{room}}/{{event}}", Forbidden("no"))
        self.answer("PUT", f"{V1}/send_join/{{room}}/{{event}}", [200, {}])
        self.fails(self.send_join(), Refused)
        self.assertEqual(1, len(self.asked))

    def test_a_leave_is_handed_in(self) -> None:
        """The answer says nothing (C-82)."""
        self.answer("PUT", f"{V2}/send_leave/{{room}}/{{event}}", {})
        self.ask(self.rooms.send_leave("there", ROOM, EVENT_ID, PDU))
        self.assertEqual(PDU, self.asked[0][1])

    def invite(self, version: str) -> Any:
        """Ask the server of who is invited; the coroutine."""
        of = ROOM_VERSIONS[version]
        return self.rooms.invite("there", of, EVENT_ID, PDU, [{"type": "m.x"}])

    def test_an_invite_comes_back_signed(self) -> None:
        """It goes out with its version and something to show (C-82)."""
        self.answer("PUT", f"{V2}/invite/{{room}}/{{event}}", {"event": {"s": 1}})
        self.assertEqual({"s": 1}, self.ask(self.invite("11")))
        wanted = {
            "event": PDU,
            "room_version": "11",
            "invite_room_state": [{"type": "m.x"}],
        }
        self.assertEqual(wanted, self.asked[0][1])

    def test_an_invite_without_the_event_is_none(self) -> None:
        """Nobody has signed anything."""
        self.answer("PUT", f"{V2}/invite/{{room}}/{{event}}", {"event": 7})
        self.fails(self.invite("11"), BadAnswer)

    def test_only_rooms_of_old_are_invited_to_the_old_way(self) -> None:
        """Version one of the endpoint cannot say of which version the room is."""
        self.answer("PUT", f"{V1}/invite/{{room}}/{{event}}", [200, {"event": {}}])
        self.fails(self.invite("3"), Refused)
        self.assertEqual({}, self.ask(self.invite("2")))
        unsigned = {"invite_room_state": [{"type": "m.x"}]}
        self.assertEqual({**PDU, "unsigned": unsigned}, self.asked[0][1])


class LookingUpTests(AskingTestCase):
    """What happened in a room."""

    def test_missing_events_are_asked_for_by_what_surrounds_them(self) -> None:
        """And are never more than were asked for."""
        self.answer(
            "POST", f"{V1}/get_missing_events/{{room}}", {"events": [{}, {}, {}]}
        )
        found = self.ask(self.rooms.missing_events("there", ROOM, ["$a"], ["$b"], 2))
        self.assertEqual([{}, {}], found)
        wanted = {"earliest_events": ["$a"], "latest_events": ["$b"], "limit": 2}
        self.assertEqual(wanted, self.asked[0][1])

    def test_state_is_asked_for_at_an_event(self) -> None:
        """As events or as ids."""
        self.answer("GET", f"{V1}/state/{{room}}", {"pdus": [{}], "auth_chain": []})
        ids = {"pdu_ids": ["$1"], "auth_chain_ids": ["$2"]}
        self.answer("GET", f"{V1}/state_ids/{{room}}", ids)
        state = self.ask(self.rooms.state("there", ROOM, EVENT_ID))
        self.assertEqual(([{}], []), (list(state.state), list(state.auth_chain)))
        found = self.ask(self.rooms.state_ids("there", ROOM, EVENT_ID))
        self.assertEqual((["$1"], ["$2"]), found)
        for path, _ in self.asked:
            self.assertTrue(path.endswith("?event_id=%24event%2F%2B"), path)

    def test_one_event_is_one_event(self) -> None:
        """Neither none nor two."""
        self.answer("GET", f"{V1}/event/{{event}}", {"pdus": [PDU]})
        self.assertEqual(PDU, self.ask(self.rooms.event("there", EVENT_ID)))
        for pdus in ([], [PDU, PDU], [3], None):
            with self.subTest(pdus):
                self.setUp()
                self.answer("GET", f"{V1}/event/{{event}}", {"pdus": pdus})
                self.fails(self.rooms.event("there", EVENT_ID), BadAnswer)

    def test_history_is_asked_for_backwards(self) -> None:
        """From these events on; and so is what an event rests on."""
        self.answer("GET", f"{V1}/backfill/{{room}}", {"pdus": [{}, {}]})
        found = self.ask(self.rooms.backfill("there", ROOM, ["$a", "$b"], 1))
        self.assertEqual([{}], found)
        self.assertTrue(self.asked[0][0].endswith("?v=%24a&v=%24b&limit=1"))
        path = f"{V1}/event_auth/{{room}}/{{event}}"
        self.answer("GET", path, {"auth_chain": [PDU]})
        found = self.ask(self.rooms.event_auth("there", ROOM, EVENT_ID))
        self.assertEqual([PDU], list(found))

    def test_ids_are_texts(self) -> None:
        """Of anything else nothing could be asked."""
        ids = {"pdu_ids": [1], "auth_chain_ids": []}
        self.answer("GET", f"{V1}/state_ids/{{room}}", ids)
        self.fails(self.rooms.state_ids("there", ROOM, EVENT_ID), BadAnswer)

    def test_an_alias_leads_to_a_room_and_servers(self) -> None:
        """What cannot be the name of a server is left out."""
        servers = ["there", "not a name", 7, "third.test:8448"]
        answer = {"room_id": ROOM, "servers": servers}
        self.answer("GET", f"{V1}/query/directory", answer)
        found = self.ask(self.rooms.room_of_alias("there", "#a b:there"))
        self.assertEqual((ROOM, ("there", "third.test:8448")), attrs_of(found))
        self.assertTrue(self.asked[0][0].endswith("?room_alias=%23a+b%3Athere"))

    def test_an_alias_that_leads_nowhere_is_none(self) -> None:
        """The room id is what was asked for."""
        for answer in ({}, {"room_id": 7}, {"room_id": "room"}):
            with self.subTest(answer):
                self.setUp()
                self.answer("GET", f"{V1}/query/directory", answer)
                asking = self.rooms.room_of_alias("there", "#a:there")
                self.fails(asking, BadAnswer)


class PeopleTests(AskingTestCase):
    """What other servers say of their users."""

    def test_a_profile_is_a_name_and_a_picture(self) -> None:
        """What is no text, or no end of it, is not there."""
        for picture in (7, None, "mxc://" + "x" * 3000):
            with self.subTest(picture):
                self.setUp()
                answer = {"displayname": "Bob", "avatar_url": picture, "more": "x"}
                self.answer("GET", f"{V1}/query/profile", answer)
                profile = self.ask(self.people.profile("@bob:there"))
                self.assertEqual({"displayname": "Bob"}, profile)

    def test_a_server_speaks_of_those_it_was_asked_about(self) -> None:
        """What it says of others nobody wants to know."""
        bob, eve = "@bob:there", "@eve:there"
        answer = {
            "device_keys": {bob: {"D": {}}, eve: {"E": {}}},
            "master_keys": {bob: 7},
        }
        self.answer("POST", f"{V1}/user/keys/query", answer)
        found = self.ask(self.people.device_keys("there", {bob: []}))
        self.assertEqual({bob: {"D": {}}}, found["device_keys"])
        self.assertEqual({}, found["master_keys"])
        claimed = {"one_time_keys": {bob: {"D": {"a:1": "k"}}, eve: {"E": {}}}}
        self.answer("POST", f"{V1}/user/keys/claim", claimed)
        found = self.ask(self.people.claim_keys("there", {bob: {"D": "a"}}))
        self.assertEqual({bob: {"D": {"a:1": "k"}}}, found)
        self.assertEqual({"one_time_keys": {bob: {"D": "a"}}}, self.asked[-1][1])

    def test_what_could_not_be_told_to_clients_is_left_out(self) -> None:
        """Of keys that of one user, of rooms the whole page: they are too deep."""
        bob, eve = "@bob:there", "@eve:there"
        keys = b'{"device_keys": {"@bob:there": {"D": {}}, "@eve:there": {"E": %b}}}'
        self.answer("POST", f"{V1}/user/keys/query", keys % DEEP)
        found = self.ask(self.people.device_keys("there", {bob: [], eve: []}))
        self.assertEqual({bob: {"D": {}}}, found["device_keys"])
        self.answer("POST", f"{V1}/publicRooms", b'{"chunk": [{"x": %b}]}' % DEEP)
        self.fails(self.people.public_rooms("there", {}), BadAnswer)

    def test_devices_and_rooms_are_lists(self) -> None:
        """Anything else is refused."""
        bob = "@bob:there"
        for good in (True, False):
            with self.subTest(good):
                self.setUp()
                found: Any = [] if good else {}
                devices = {"user_id": bob, "devices": found}
                self.answer("GET", f"{V1}/user/devices/{{user}}", devices)
                self.answer("POST", f"{V1}/publicRooms", {"chunk": found})
                asking = self.people.devices(bob)
                listing = self.people.public_rooms("there", {"limit": 3})
                if good:
                    self.assertEqual(devices, self.ask(asking))
                    self.assertEqual({"chunk": []}, self.ask(listing))
                    self.assertEqual({"limit": 3}, self.asked[-1][1])
                else:
                    self.fails(asking, BadAnswer)
                    self.fails(listing, BadAnswer)


class BoundsTests(AskingTestCase):
    """How long an answer may be, and how long it may take."""

    def test_each_call_says_how_much_it_takes(self) -> None:
        """More is not read (C-81)."""
        client, path = self.here.client, f"{V1}/event/x"
        self.answer("GET", path, {"x": "y" * 1000})
        self.fails(client.get("there", path, Bounds(500)), BadAnswer)
        self.assertEqual(1000, len(self.ask(client.get("there", path))["x"]))

    def test_each_call_says_how_long_it_waits(self) -> None:
        """A server that gathers the state of a large room needs its time."""
        waiting: Any = _Silent()
        client = FederationClient(waiting, self.here.own, self.clock, patience=30)
        usual = Deferred.fromCoroutine(client.get("there", "/x"))
        longer = Deferred.fromCoroutine(client.get("there", "/x", Bounds(patience=120)))
        self.clock.advance(31)
        self.failureResultOf(usual, Unreachable)
        self.assertNoResult(longer)
        self.clock.advance(90)
        self.failureResultOf(longer, Unreachable)

    def test_an_unknown_endpoint_is_not_an_unknown_room(self) -> None:
        """Both are 404."""
        for refusal, asked in ((Unrecognized("?"), 2), (Forbidden("?"), 1)):
            with self.subTest(refusal):
                self.setUp()
                for version in (V1, V2):
                    path = f"{version}/send_leave/{{room}}/{{event}}"
                    self.answer("PUT", path, refusal)
                leaving = self.rooms.send_leave("there", ROOM, EVENT_ID, PDU)
                self.fails(leaving, Refused)
                self.assertEqual(asked, len(self.asked))


class _Silent:
    """An agent that never answers."""

    def request(self, *_: Any) -> Deferred[Any]:
        """Nothing comes of it."""
        return Deferred()


def attrs_of(found: Any) -> tuple[str, tuple[str, ...]]:
    """The values of a found room."""
    return found.room_id, found.servers
