"""Joining, leaving, inviting, kicking, banning, knocking, forgetting."""

from __future__ import annotations

from urllib.parse import quote

from matrix_presence.homeserver.room import Room
from matrix_presence.interfaces import Profile
from tests.homeserver.rooms import ALICE, BOB, CAROL, RoomsTestCase


class MembershipTests(RoomsTestCase):
    """Client-server API, "Room membership"."""

    def _path(self, room_id: str, name: str) -> str:
        return f"rooms/{quote(room_id)}/{name}"

    def _member(self, room_id: str, user_id: str) -> object:
        return self._room(room_id).membership(user_id)

    def test_join_by_id_and_alias(self) -> None:
        """Both paths of join take the room, one of them by its alias."""
        room_id = self.room(room_alias_name="here")
        joined = self.post(BOB, "join/" + quote("#here:hs.test"))
        self.assertEqual(joined, {"room_id": room_id})
        self.assertEqual(
            self.post(CAROL, self._path(room_id, "join")), {"room_id": room_id}
        )
        again = len(self._room(room_id).timeline)
        self.post(CAROL, self._path(room_id, "join"))
        self.assertEqual(len(self._room(room_id).timeline), again)
        self.assertEqual(
            self.moves[-2:], [("joined", room_id, BOB), ("joined", room_id, CAROL)]
        )

    def _room(self, room_id: str) -> Room:
        room = self.rooms.get(room_id)
        assert room is not None
        return room

    def test_unknown_rooms(self) -> None:
        """A room or alias that is not here is not found."""
        for named in ("!x:elsewhere", "#x:hs.test", "#x:elsewhere", "x", "#x"):
            response = self.ask(ALICE, "POST", f"join/{quote(named)}", {})
            self.assertIn(response.errcode, ("M_NOT_FOUND", "M_INVALID_PARAM"))
        self.assertRefused(
            self.ask(ALICE, "POST", "rooms/!x/leave", {}), 403, "M_FORBIDDEN"
        )

    def test_invite_join_kick_ban_unban(self) -> None:
        """The whole life of a membership, each step reported if it counts."""
        room_id = self.room(preset="private_chat")
        self.assertRefused(
            self.ask(BOB, "POST", f"join/{quote(room_id)}", {}), 403, "M_FORBIDDEN"
        )
        self.moves.clear()
        bob = {"user_id": BOB, "reason": "why not"}
        for name, membership, moves in (
            ("invite", "invite", []),
            (None, "join", [("joined", room_id, BOB)]),
            ("kick", "leave", [("left", room_id, BOB)]),
            ("ban", "ban", []),
            ("unban", "leave", []),
        ):
            if name is None:
                self.post(BOB, f"join/{quote(room_id)}", {"reason": "hello"})
            else:
                self.post(ALICE, self._path(room_id, name), bob)
            self.assertEqual(self._member(room_id, BOB), membership)
            self.assertEqual(self.moves, moves)
            self.moves.clear()

    def test_refused_changes(self) -> None:
        """Steps that make no sense, or that one may not take, are refused."""
        room_id = self.room(ALICE, BOB)
        for user_id, name, body, status, errcode in (
            (ALICE, "kick", {"user_id": CAROL}, 403, "M_FORBIDDEN"),
            (ALICE, "unban", {"user_id": BOB}, 403, "M_FORBIDDEN"),
            (ALICE, "invite", {"user_id": BOB}, 403, "M_FORBIDDEN"),
            (BOB, "invite", {"user_id": CAROL}, 403, "M_FORBIDDEN"),
            (BOB, "kick", {"user_id": ALICE}, 403, "M_FORBIDDEN"),
            (CAROL, "ban", {"user_id": BOB}, 403, "M_FORBIDDEN"),
            (CAROL, "leave", {}, 403, "M_FORBIDDEN"),
            (CAROL, "knock", None, 404, "M_UNRECOGNIZED"),
            (ALICE, "ban", {}, 400, "M_MISSING_PARAM"),
            (ALICE, "ban", {"user_id": "bob"}, 400, "M_INVALID_PARAM"),
            (ALICE, "ban", {"user_id": BOB, "reason": 1}, 400, "M_BAD_JSON"),
            (ALICE, "invite", {"user_id": "@x:elsewhere"}, 403, "M_FORBIDDEN"),
            (ALICE, "invite", {"user_id": "@x:hs.test"}, 404, "M_NOT_FOUND"),
        ):
            response = self.ask(user_id, "POST", self._path(room_id, name), body)
            self.assertRefused(response, status, errcode)

    def test_knock(self) -> None:
        """Who knocks can be invited."""
        room_id = self.room(
            initial_state=[
                {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
            ]
        )
        self.post(BOB, f"knock/{quote(room_id)}", {"reason": "please"})
        self.assertIn(room_id, self.sync(BOB)["rooms"]["knock"])
        self.post(ALICE, self._path(room_id, "invite"), {"user_id": BOB})
        self.post(BOB, f"join/{quote(room_id)}")

    def test_restricted(self) -> None:
        """A member of an allowed room comes in, vouched for by one of us."""
        club = self.room(ALICE, BOB)
        rule = {
            "join_rule": "restricted",
            "allow": [{"type": "m.room_membership", "room_id": club}, 1, {}],
        }
        room_id = self.room(
            initial_state=[{"type": "m.room.join_rules", "content": rule}]
        )
        response = self.ask(CAROL, "POST", f"join/{quote(room_id)}", {})
        self.assertRefused(response, 403, "M_FORBIDDEN")
        self.post(BOB, f"join/{quote(room_id)}")
        member = self._room(room_id).state["m.room.member", BOB]
        self.assertEqual(member.content["join_authorised_via_users_server"], ALICE)

    def test_guests(self) -> None:
        """Guests join, talk in and leave rooms that are open to them, no others."""
        guest = self.register("guest", is_guest=True)
        closed = self.room()
        response = self.ask(guest, "POST", f"join/{quote(closed)}", {})
        self.assertRefused(response, 403, "M_GUEST_ACCESS_FORBIDDEN")
        opened = self.room(
            initial_state=[
                {"type": "m.room.guest_access", "content": {"guest_access": "can_join"}}
            ]
        )
        self.post(guest, f"join/{quote(opened)}")
        self.say(guest, opened)
        body = {"user_id": BOB}
        response = self.ask(guest, "POST", self._path(opened, "invite"), body)
        self.assertRefused(response, 403, "M_GUEST_ACCESS_FORBIDDEN")
        self.post(guest, self._path(opened, "leave"))

    def test_forget(self) -> None:
        """A room that was left is shown no more, until one is back."""
        room_id = self.room(ALICE, BOB)
        response = self.ask(BOB, "POST", self._path(room_id, "forget"), {})
        self.assertRefused(response, 403, "M_FORBIDDEN")
        leaving = {"filter": '{"room":{"include_leave":true}}'}
        self.post(BOB, self._path(room_id, "leave"))
        self.assertIn(room_id, self.sync(BOB, **leaving)["rooms"]["leave"])
        self.post(BOB, self._path(room_id, "forget"))
        self.assertNotIn("rooms", self.sync(BOB, **leaving))
        self.start()
        self.assertNotIn("rooms", self.sync(BOB, **leaving))
        self.post(BOB, f"join/{quote(room_id)}")
        self.post(BOB, self._path(room_id, "leave"))
        self.assertIn(room_id, self.sync(BOB, **leaving)["rooms"]["leave"])

    def test_a_new_name_reaches_every_room(self) -> None:
        """A changed profile is shown in the rooms one is in, and stored (D-2)."""
        room_id, left = self.room(ALICE, BOB), self.room(ALICE, BOB)
        self.post(BOB, self._path(left, "leave"))
        account = self.accounts.account(BOB)
        assert account is not None
        self.moves.clear()
        self.done(self.accounts.set_profile(account, Profile(displayname="Robert")))
        self.start()
        for room, expected in ((room_id, "Robert"), (left, None)):
            content = self._room(room).state["m.room.member", BOB].content
            self.assertEqual(content.get("displayname"), expected)
        self.assertEqual(self.moves, [])

    def test_a_deactivated_user_leaves(self) -> None:
        """A deactivated account is in no room, and invited to none."""
        room_id, other = self.room(ALICE, BOB), self.room(ALICE, invite=[BOB])
        account = self.accounts.account(BOB)
        assert account is not None
        self.done(self.accounts.deactivate(account))
        self.start()
        self.assertEqual(self._member(room_id, BOB), "leave")
        self.assertEqual(self._member(other, BOB), "leave")

    def test_the_suspended_may_only_look_and_leave(self) -> None:
        """A suspended account reads and leaves, and does nothing else (A-14)."""
        room_id = self.room(ALICE, BOB)
        account = self.accounts.account(BOB)
        assert account is not None
        self.done(self.accounts.set_flags(account, is_locked=False, is_suspended=True))
        self.get(BOB, self._path(room_id, "state"))
        path = self._path(room_id, "send/x/1")
        self.assertRefused(self.ask(BOB, "PUT", path, {}), 403, "M_USER_SUSPENDED")
        self.post(BOB, self._path(room_id, "leave"))
