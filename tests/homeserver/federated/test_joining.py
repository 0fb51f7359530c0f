"""Our users in rooms of other servers: how they get in, and what keeps them out."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived

from matrix_presence.errors import Forbidden, MatrixError
from matrix_presence.web.call import Answer, Call
from matrix_presence.wire.room_versions import ROOM_VERSIONS
from tests.homeserver.federated.rig import FederatedTestCase, Homeserver
from tests.web.connection import Connection, Response

V1 = "_matrix/federation/v1"


class JoiningTestCase(FederatedTestCase):
    """Alice and Amy are here, Bob is there."""

    def setUp(self) -> None:
        """Two servers."""
        super().setUp()
        self.here = self.homeserver("a.test")
        self.there = self.homeserver("b.test")
        self.alice = self.here.register("alice")
        self.amy = self.here.register("amy")
        self.bob = self.there.register("bob")

    def ask_to_join(
        self, room: str, *via: str, user_id: str | None = None, **body: Any
    ) -> Response:
        """What a join of Alice is answered."""
        path = f"join/{quote(room, safe='')}"
        who = user_id or self.alice
        return self.here.ask(who, "POST", path, body, server_name=list(via))

    def assertRefused(self, response: Response, status: int, errcode: str) -> str:
        """The response is this refusal; what it says."""
        self.assertEqual((status, errcode), (response.status, response.errcode))
        error: str = response.json["error"]
        return error

    def members(self, server: Homeserver, room_id: str) -> set[str]:
        """Who is in the room, as this server has it."""
        return server.room(room_id).joined

    def asked(self, what: str) -> int:
        """How often servers were asked for this."""
        return sum(what.encode() in path for _, path in self.internet.asked)


class JoiningTests(JoiningTestCase):
    """Coming in."""

    def test_rooms_of_all_versions_are_joined(self) -> None:
        """Both servers then know the same members (C-80, C-81)."""
        for version in ROOM_VERSIONS:
            with self.subTest(version):
                room_id = self.there.create(self.bob, room_version=version)
                self.here.join(self.alice, room_id, "b.test")
                both = {self.alice, self.bob}
                self.assertEqual(both, self.members(self.here, room_id))
                self.assertEqual(both, self.members(self.there, room_id))
                self.there.say(self.bob, room_id, f"hello {version}")
                self.pass_time()
                self.here.say(self.alice, room_id, "hi")
                self.pass_time()
                for server in (self.here, self.there):
                    texts = server.texts(room_id)
                    self.assertEqual([f"hello {version}", "hi"], texts)

    def test_the_room_is_shown_with_its_state(self) -> None:
        """By the next /sync, with the names of its members."""
        room_id = self.there.create(self.bob, name="Tea", topic="Milk?")
        self.here.join(self.alice, room_id, "b.test")
        part = self.here.sync(self.alice)["rooms"]["join"][room_id]
        events = part["state"]["events"] + part["timeline"]["events"]
        names = {event["type"]: event["content"] for event in events}
        self.assertEqual({"name": "Tea"}, names["m.room.name"])
        shown = {
            event["state_key"]: event["content"].get("displayname")
            for event in events
            if event["type"] == "m.room.member"
        }
        self.assertEqual({self.alice: "Alice", self.bob: "Bob"}, shown)

    def test_an_alias_of_another_server_leads_there(self) -> None:
        """Nobody has to say whom to ask."""
        room_id = self.there.create(self.bob, room_alias_name="tea")
        answer = self.ask_to_join("#tea:b.test")
        self.assertEqual({"room_id": room_id}, answer.json)
        self.assertIn(self.alice, self.members(self.there, room_id))

    def test_an_alias_that_leads_nowhere_is_not_found(self) -> None:
        """Nor is one of a server that is none."""
        self.assertRefused(self.ask_to_join("#x:b.test"), 404, "M_NOT_FOUND")
        self.assertRefused(self.ask_to_join("#x:no server"), 400, "M_INVALID_PARAM")
        self.assertRefused(self.ask_to_join("#x:down.test"), 502, "M_UNKNOWN")

    def test_the_second_user_asks_nobody(self) -> None:
        """We are in the room already, and tell the others."""
        room_id = self.there.create(self.bob)
        self.here.join(self.alice, room_id, "b.test")
        self.internet.asked.clear()
        self.here.join(self.amy, room_id)
        self.assertEqual(0, self.asked("make_join"))
        self.pass_time()
        self.assertIn(self.amy, self.members(self.there, room_id))

    def test_two_who_join_at_once_make_one_handshake(self) -> None:
        """The second one finds the room there."""
        room_id = self.there.create(self.bob)
        answers = []
        for user_id in (self.alice, self.amy):
            connection = Connection(self.here.root, Clock())
            target = f"/_matrix/client/v3/join/{quote(room_id)}?via=b.test"
            connection.start("POST", target, {}, token=self.here.tokens[user_id])
            answers.append(connection)
        self.pass_time()
        for connection in answers:
            (response,) = connection.responses()
            self.assertEqual(200, response.status)
        self.assertEqual(1, self.asked("make_join"))
        self.pass_time()
        everybody = {self.alice, self.amy, self.bob}
        self.assertEqual(everybody, self.members(self.here, room_id))
        self.assertEqual(everybody, self.members(self.there, room_id))

    def test_a_client_that_hangs_up_has_joined_all_the_same(self) -> None:
        """The other server may have taken the join already."""
        room_id = self.there.create(self.bob)
        connection = Connection(self.here.root, Clock())
        target = f"/_matrix/client/v3/join/{quote(room_id)}?via=b.test"
        connection.start("POST", target, {}, token=self.here.tokens[self.alice])
        connection.hang_up()
        self.pass_time()
        self.assertIn(self.alice, self.members(self.here, room_id))

    def test_the_server_of_who_has_invited_is_asked_first(self) -> None:
        """Nobody has to say whom to ask."""
        room_id = self.there.create(self.bob, self.alice, preset="private_chat")
        self.assertEqual(200, self.ask_to_join(room_id).status)
        self.assertIn(self.alice, self.members(self.there, room_id))
        self.assertNotIn("invite", self.here.sync(self.alice).get("rooms", {}))

    def test_a_server_that_does_not_answer_is_followed_by_the_next(self) -> None:
        """Until one lets us in."""
        room_id = self.there.create(self.bob)
        via = ("down.test", "no name", "a.test", "b.test")
        self.assertEqual(200, self.ask_to_join(room_id, *via).status)

    def test_a_join_whose_answer_is_lost_is_handed_in_again(self) -> None:
        """The other server has taken it, and answers the same again."""
        room_id = self.there.create(self.bob)
        agent = self.internet.agents[b"b.test"]
        losing: Any = _Losing(agent, b"send_join")
        self.internet.agents[b"b.test"] = losing
        self.assertEqual(200, self.ask_to_join(room_id, "b.test").status)
        self.assertEqual(1, losing.lost)
        both = {self.alice, self.bob}
        self.assertEqual(both, self.members(self.here, room_id))
        self.assertEqual(both, self.members(self.there, room_id))

    def test_who_has_left_may_come_back(self) -> None:
        """What happened meanwhile is there, as far as the state says it."""
        room_id = self.there.create(self.bob)
        self.here.join(self.alice, room_id, "b.test")
        self.here.leave(self.alice, room_id)
        self.pass_time()
        self.assertEqual({self.bob}, self.members(self.there, room_id))
        self.there.set(self.bob, room_id, "m.room.topic", {"topic": "new"})
        # The servers that were there are remembered.
        self.here.join(self.alice, room_id)
        self.assertEqual("new", self.here.room(room_id).text("m.room.topic", "topic"))
        self.there.say(self.bob, room_id, "welcome back")
        self.pass_time()
        self.assertEqual(["welcome back"], self.here.texts(room_id))

    def test_a_room_of_the_restricted_kind_is_joined(self) -> None:
        """Its server vouches for who is in the other room (C-80)."""
        opening = self.there.create(self.bob)
        allow = [{"type": "m.room_membership", "room_id": opening}]
        rule = {"join_rule": "restricted", "allow": allow}
        state = [{"type": "m.room.join_rules", "content": rule}]
        room_id = self.there.create(self.bob, initial_state=state)
        self.assertRefused(self.ask_to_join(room_id, "b.test"), 403, "M_FORBIDDEN")
        for user_id in (self.alice, self.amy):
            self.here.join(user_id, opening, "b.test")
            self.pass_time()
            answer = self.ask_to_join(room_id, "b.test", user_id=user_id)
            self.assertEqual(200, answer.status, answer.body)
            self.pass_time()
        everybody = {self.alice, self.amy, self.bob}
        self.assertEqual(everybody, self.members(self.here, room_id))
        self.assertEqual(everybody, self.members(self.there, room_id))
        self.here.say(self.amy, room_id, "thanks")
        self.pass_time()
        self.assertEqual(["thanks"], self.there.texts(room_id))

    def test_a_restart_finds_the_room_as_it_was(self) -> None:
        """And goes on with it."""
        room_id = self.there.create(self.bob)
        self.here.join(self.alice, room_id, "b.test")
        self.pass_time()
        self.here.restart()
        self.assertEqual({self.alice, self.bob}, self.members(self.here, room_id))
        self.here.say(self.alice, room_id, "still here")
        self.there.say(self.bob, room_id, "so am I")
        self.pass_time()
        for server in (self.here, self.there):
            texts = server.texts(room_id)
            self.assertEqual({"still here", "so am I"}, set(texts))


class _Losing:
    """An agent that loses the first answer of a kind."""

    def __init__(self, agent: RequestTraversalAgent, what: bytes) -> None:
        self._agent = agent
        self._what = what
        self.lost = 0

    def request(self, method: bytes, uri: bytes, *more: Any) -> Deferred[Any]:
        """Ask, and perhaps hear nothing."""
        answer: Deferred[Any] = self._agent.request(method, uri, *more)
        if self._what not in uri or self.lost:
            return answer
        self.lost += 1
        reason = ResponseNeverReceived([Failure(ConnectionLost())])
        return answer.addCallback(lambda _: fail(reason))

    def flush(self) -> None:
        """Let answers arrive."""
        self._agent.flush()


class RefusedTests(JoiningTestCase):
    """Staying out."""

    def test_what_the_other_server_says_is_passed_on(self) -> None:
        """The client can make something of it."""
        room_id = self.there.create(self.bob, preset="private_chat")
        error = self.assertRefused(
            self.ask_to_join(room_id, "down.test", "b.test"), 403, "M_FORBIDDEN"
        )
        self.assertEqual("You are not invited to this room", error)

    def test_nobody_to_ask_is_not_found(self) -> None:
        """A room of version 12 does not say where it is."""
        self.assertRefused(self.ask_to_join("!x"), 404, "M_NOT_FOUND")
        self.assertRefused(self.ask_to_join("!x:a.test"), 404, "M_NOT_FOUND")

    def test_servers_that_cannot_be_reached_are_named(self) -> None:
        """In one sentence."""
        answer = self.ask_to_join("!x:down.test", "off.test")
        error = self.assertRefused(answer, 502, "M_UNKNOWN")
        self.assertIn("off.test could not be reached", error)
        self.assertIn("down.test could not be reached", error)

    def test_a_server_without_the_endpoint_is_no_help(self) -> None:
        """That is between it and us: the client did nothing unknown."""
        self.peer("far.test")
        answer = self.ask_to_join("!x:far.test")
        error = self.assertRefused(answer, 502, "M_UNKNOWN")
        self.assertIn("far.test gave no useful answer", error)

    def test_guests_stay_here(self) -> None:
        """Other rooms are not ours to open to them."""
        room_id = self.there.create(self.bob)
        account = self.done(self.here.accounts.register("guest", None, is_guest=True))
        _, token = self.done(self.here.accounts.log_in(account, "G", None))
        self.here.tokens[account.user_id] = token
        answer = self.ask_to_join(room_id, "b.test", user_id=account.user_id)
        self.assertRefused(answer, 403, "M_FORBIDDEN")

    def lie(self, changes: dict[str, Any], refusal: MatrixError | None = None) -> None:
        """A server that prepares something else than what it is asked for."""
        far = self.peer("far.test")

        async def make_join(call: Call) -> Answer:
            if refusal is not None:
                raise refusal
            event = {
                "type": "m.room.member",
                "room_id": call.params["room"],
                "sender": call.params["user"],
                "state_key": call.params["user"],
                "content": {"membership": "join"},
                "depth": 5,
                "prev_events": ["$a"],
                "auth_events": ["$b"],
            }
            return 200, {"room_version": "11", "event": event | changes}

        async def send_join(call: Call) -> Answer:
            return 200, {"state": [], "auth_chain": [], "event": None}

        far.router.add("GET", f"{V1}/make_join/{{room}}/{{user}}", make_join)
        path = "_matrix/federation/v2/send_join/{room}/{event}"
        far.router.add("PUT", path, send_join)

    def test_nothing_but_the_join_is_signed(self) -> None:
        """Otherwise others could have us say anything (C-80)."""
        self.lie({"content": {"membership": "ban"}, "state_key": self.amy})
        self.assertRefused(self.ask_to_join("!x:far.test"), 502, "M_UNKNOWN")
        self.assertEqual(0, self.asked("send_join"))

    def test_a_room_without_a_create_event_is_none(self) -> None:
        """What is answered is checked before anybody is in (C-81)."""
        self.lie({})
        error = self.assertRefused(self.ask_to_join("!x:far.test"), 502, "M_UNKNOWN")
        self.assertIn("cannot be taken over", error)
        self.assertIsNone(self.here.rooms.get("!x:far.test"))
        self.assertEqual({}, self.here.sync(self.alice).get("rooms", {}))

    def test_a_template_that_cannot_be_an_event_is_refused(self) -> None:
        """Numbers have their limits, and so has all of it."""
        self.lie({"depth": 2**60})
        answer = self.ask_to_join("!x:far.test")
        self.assertEqual(400, answer.status)
        self.assertEqual(0, self.asked("send_join"))

    def test_a_version_that_we_cannot_speak_ends_the_search(self) -> None:
        """No other server can say anything else (C-80)."""

        class Incompatible(MatrixError):
            errcode = "M_INCOMPATIBLE_ROOM_VERSION"

        self.lie({}, Incompatible("too new"))
        answer = self.ask_to_join("!x:b.test", "far.test")
        self.assertRefused(answer, 400, "M_INCOMPATIBLE_ROOM_VERSION")
        self.assertEqual(1, self.asked("make_join"))

    def test_no_more_than_a_few_servers_are_tried(self) -> None:
        """A client could name thousands, and have us ask all of them."""
        self.lie({}, Forbidden("no"))
        names = [f"s{number}.test" for number in range(50)]
        self.ask_to_join("!x:far.test", *names)
        self.assertEqual(8, self.asked("make_join"))
