"""Invites of other servers: taken, shown, kept, turned down, taken back (C-82)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from twisted.internet.task import Clock

from matrix_presence.federation.client import Refused
from matrix_presence.homeserver.drafts import Draft
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.federated.invites import stripped
from matrix_presence.wire.room_versions import ROOM_VERSIONS
from tests.homeserver.federated.rig import FederatedTestCase
from tests.web.connection import Connection

MALLORY = "@mallory:far.test"
ROOM = "!room:far.test"
SHOWN = [
    {
        "type": "m.room.name",
        "state_key": "",
        "sender": MALLORY,
        "content": {"name": "Far"},
    }
]


class InviteTests(FederatedTestCase):
    """A server whose user asks ours into a room that we know nothing of."""

    def setUp(self) -> None:
        """Bob is ours."""
        super().setUp()
        self.here = self.homeserver("a.test")
        self.bob = self.here.register("bob")
        self.far = self.peer("far.test")

    def event(self, version: str = "11", **fields: Any) -> Event:
        """The invite."""
        pdu = {
            "type": "m.room.member",
            "sender": MALLORY,
            "state_key": self.bob,
            "room_id": ROOM,
            "content": {"membership": "invite"},
            "depth": 9,
            "prev_events": [],
            "auth_events": [],
            "origin_server_ts": self.now(),
        }
        return self.far.signed(pdu | fields, ROOM_VERSIONS[version])

    def invite(
        self, event: Event | None = None, version: str = "11", **more: Any
    ) -> Any:
        """What our server answers."""
        event = event or self.event(version)
        path = f"v2/invite/{quote(ROOM)}/{quote(event.event_id, safe='')}"
        body = {
            "event": event.pdu,
            "room_version": version,
            "invite_room_state": SHOWN,
        }
        return self.far.put("a.test", path, body | more)

    def invites(self) -> Any:
        """The invites that Bob is shown."""
        return self.here.sync(self.bob).get("rooms", {}).get("invite", {})

    def assertRefused(
        self, status: int, errcode: str, event: Event, **more: Any
    ) -> None:
        """The invite is refused like this, and not shown."""
        refusal = self.assertRaises(Refused, self.invite, event, **more)
        self.assertEqual((status, errcode), (refusal.status, refusal.errcode))
        self.assertEqual({}, self.invites())

    def test_an_invite_is_signed_and_shown(self) -> None:
        """With what is told of the room, also after a restart."""
        event = self.event()
        answer = self.invite(event)
        self.assertEqual({"a.test", "far.test"}, set(answer["event"]["signatures"]))
        self.assertEqual(event.pdu["hashes"], answer["event"]["hashes"])
        for _ in range(2):
            told = self.invites()[ROOM]["invite_state"]["events"]
            self.assertEqual(
                ["m.room.name", "m.room.member"], [each["type"] for each in told]
            )
            self.here.restart()

    def test_an_invite_wakes_who_waits(self) -> None:
        """It comes with the next /sync."""
        since = self.here.sync(self.bob)["next_batch"]
        self.invite()
        news = self.here.sync(self.bob, since=since)
        self.assertEqual([ROOM], list(news["rooms"]["invite"]))
        later = self.here.sync(self.bob, since=news["next_batch"])
        self.assertNotIn("rooms", later)

    def test_a_server_cannot_flood_people_with_invites(self) -> None:
        """It has to wait, while others do not, and then may go on (A-28)."""
        other = self.event(state_key="@nobody:a.test")
        told = [
            self.assertRaises(Refused, self.invite, other).errcode for _ in range(70)
        ]
        self.assertEqual({"M_FORBIDDEN"}, {*told[:50]})
        self.assertEqual("M_LIMIT_EXCEEDED", told[-1])
        self.assertRefused(429, "M_LIMIT_EXCEEDED", self.event())
        far, self.far = self.far, self.peer("other.test")
        self.invite(self.event(sender="@mallory:other.test"))
        self.assertEqual([ROOM], list(self.invites()))
        self.far = far
        self.pass_time(60)
        self.invite()

    def test_clients_of_old_are_shown_it_too(self) -> None:
        """By the event stream, and by the initial sync (A-100)."""
        token = self.here.tokens[self.bob]

        def get(path: str) -> Any:
            connection = Connection(self.here.root, Clock())
            target = f"/_matrix/client/r0/{path}"
            return connection.request("GET", target, token=token).json

        start = get("initialSync")["end"]
        self.invite()
        chunk = get(f"events?from={start}&timeout=0")["chunk"]
        (news,) = (each for each in chunk if each["type"] == "m.room.member")
        (room,) = get("initialSync")["rooms"]
        for event in (news, room["invite"]):
            self.assertEqual(ROOM, event["room_id"])
            shown = [each["type"] for each in event["invite_room_state"]]
            self.assertEqual(["m.room.name", "m.room.member"], shown)

    def test_invites_of_any_version_are_taken(self) -> None:
        """Also by the first version of the endpoint, which knows one room version."""
        for version in ROOM_VERSIONS:
            event = self.event(version)
            answer = self.invite(event, version)
            self.assertEqual(event.pdu["content"], answer["event"]["content"])
        event = self.event("1")
        path = f"v1/invite/{quote(ROOM)}/{quote(event.event_id, safe='')}"
        body = event.pdu | {"unsigned": {"invite_room_state": SHOWN}}
        answer = self.far.put("a.test", path, body)
        self.assertIn("a.test", answer["event"]["signatures"])
        self.assertIn(ROOM, self.invites())

    def test_what_is_no_invite_of_that_server_is_refused(self) -> None:
        """Of another sender, for another user, something else, or unsigned."""
        for fields, status, errcode in (
            ({"sender": "@x:b.test"}, 400, "M_BAD_JSON"),
            ({"state_key": "@nobody:a.test"}, 403, "M_FORBIDDEN"),
            ({"state_key": "@x:b.test"}, 403, "M_FORBIDDEN"),
            ({"content": {"membership": "join"}}, 400, "M_INVALID_PARAM"),
            ({"type": "m.room.name"}, 400, "M_INVALID_PARAM"),
            ({"room_id": "!other:far.test"}, 400, "M_INVALID_PARAM"),
        ):
            self.assertRefused(status, errcode, self.event(**fields))
        event = self.event()
        event.pdu["signatures"] = {}
        self.assertRefused(400, "M_BAD_JSON", event)
        self.assertRefused(
            400, "M_INCOMPATIBLE_ROOM_VERSION", self.event(), room_version="99"
        )

    def test_what_is_told_of_the_room_is_looked_at(self) -> None:
        """What is no stripped state is left out."""
        nonsense = [7, {}, SHOWN[0] | {"content": 1}, SHOWN[0] | {"type": None}]
        nonsense.append(SHOWN[0] | {"content": {"name": "x" * 65536}})
        self.invite(invite_room_state=[*nonsense, SHOWN[0] | {"more": 1}])
        told = self.invites()[ROOM]["invite_state"]["events"]
        self.assertEqual([SHOWN[0]], told[:-1])
        self.invite(invite_room_state="nothing")
        self.assertEqual(1, len(self.invites()[ROOM]["invite_state"]["events"]))

    def test_what_no_client_could_be_told_is_left_out(self) -> None:
        """It would spoil each /sync that shows it."""
        deep: dict[str, Any] = {}
        for _ in range(200):
            deep = {"a": deep}
        self.assertEqual([], stripped([SHOWN[0] | {"content": deep}]))

    def test_an_invite_is_taken_back(self) -> None:
        """By the server that sent it, and by no other."""
        self.invite()
        since = self.here.sync(self.bob)["next_batch"]
        content = {"membership": "leave"}
        other = self.peer("other.test")
        pdu = self.event(sender="@x:other.test", content=content).pdu
        forged = other.signed(
            {k: v for k, v in pdu.items() if k not in ("hashes", "signatures")},
            ROOM_VERSIONS["11"],
        )
        (result,) = other.send("a.test", forged.pdu).values()
        self.assertIn("error", result)
        self.assertIn(ROOM, self.invites())
        leave = self.event(content=content)
        self.assertEqual({leave.event_id: {}}, self.far.send("a.test", leave.pdu))
        self.assertEqual({}, self.invites())
        news = self.here.sync(self.bob, since=since)["rooms"]["leave"][ROOM]
        self.assertEqual(1, len(news["timeline"]["events"]))

    def test_an_ignored_server_user_is_not_shown(self) -> None:
        """Invites of those whom the user ignores (A-94)."""
        path = f"user/{quote(self.bob)}/account_data/m.ignored_user_list"
        body: Any = {"ignored_users": {MALLORY: {}}}
        self.here.call(self.bob, "PUT", path, body)
        self.invite()
        self.assertEqual({}, self.invites())

    def test_ours_invite_theirs_and_the_other_way_round(self) -> None:
        """Two of our servers: invited, shown, joined, and turned down."""
        there = self.homeserver("b.test")
        carol = there.register("carol")
        room_id = self.here.create(self.bob, carol, preset="private_chat")
        self.pass_time()
        shown = there.sync(carol)["rooms"]["invite"]
        self.assertEqual([room_id], list(shown))
        there.join(carol, room_id)
        self.assertEqual({self.bob, carol}, self.here.room(room_id).joined)
        self.assertNotIn("invite", there.sync(carol)["rooms"])
        other = there.create(carol, self.bob, preset="private_chat")
        self.pass_time()
        self.assertEqual([other], list(self.invites()))
        self.here.leave(self.bob, other)
        self.pass_time()
        self.assertEqual({}, self.invites())
        self.assertEqual("leave", there.room(other).membership(self.bob))

    def test_an_invite_to_a_room_that_we_are_in_comes_with_the_room(self) -> None:
        """It is signed, and shown once the event has come."""
        there = self.homeserver("b.test")
        carol, dave = there.register("carol"), self.here.register("dave")
        room_id = there.create(carol, self.bob, preset="private_chat")
        self.pass_time()
        self.here.join(self.bob, room_id)
        path = f"rooms/{quote(room_id)}/invite"
        there.call(carol, "POST", path, {"user_id": dave})
        self.pass_time()
        shown = self.here.sync(dave)["rooms"]["invite"][room_id]["invite_state"]
        self.assertIn("m.room.create", [each["type"] for each in shown["events"]])
        self.assertIsNone(self.here.rooms.outside.get(dave, room_id))
        draft = Draft(carol, "m.room.member", {"membership": "leave"}, dave)
        there.rooms.append(there.room(room_id), draft)
        self.pass_time()
        self.assertEqual("leave", self.here.room(room_id).membership(dave))
