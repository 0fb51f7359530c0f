"""Joining, leaving, inviting, kicking, banning, knocking.

Turns each wish into a member event; the authorization rules decide about most of them.
What those leave to the server is decided here: guests, restricted joins, users of
servers that we cannot reach.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from matrix_presence.errors import Forbidden, GuestForbidden, MatrixError, NotFound
from matrix_presence.homeserver.drafts import Draft
from matrix_presence.homeserver.refusals import NobodyMayLetIn
from matrix_presence.homeserver.restricted import (
    authorising_user,
    opening_rooms,
    takes_authorising,
)
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.ids import checked_user_id, server_of
from matrix_presence.interfaces import Profile, Requester

logger = logging.getLogger(__name__)


class People(Protocol):
    """What is known of users."""

    def exists(self, user_id: str) -> bool:
        """Whether this is a live account of this server."""

    def profile(self, user_id: str) -> Profile:
        """The global profile; empty where it is unknown."""


class Memberships:
    """Who is in which room."""

    def __init__(self, rooms: Rooms, people: People) -> None:
        self._rooms = rooms
        self._people = people

    def member_draft(
        self, sender: str, user_id: str, membership: str, **more: Any
    ) -> Draft:
        """The member event that gives a user this membership.

        Args:
            more: further keys of the content; those that are None are left out.
        """
        content: dict[str, Any] = {"membership": membership}
        if membership in ("join", "invite", "knock"):
            profile = self._people.profile(user_id)
            more |= {
                "displayname": profile.displayname,
                "avatar_url": profile.avatar_url,
            }
        content |= {key: value for key, value in more.items() if value is not None}
        return Draft(sender, "m.room.member", content, state_key=user_id)

    def join(self, requester: Requester, room: Room, reason: str | None) -> None:
        """Make the requester a member.

        Raises:
            Forbidden, GuestForbidden: the room does not let them in.
        """
        user_id = requester.user_id
        if user_id in room.joined:
            return
        if requester.is_guest:
            access = room.value("m.room.guest_access", "guest_access")
            if access != "can_join":
                raise GuestForbidden("This room is not open to guests")
        self._rooms.append(
            room,
            self.member_draft(
                user_id,
                user_id,
                "join",
                reason=reason,
                join_authorised_via_users_server=self._authorising_user(room, user_id),
            ),
        )

    def knock(self, user_id: str, room: Room, reason: str | None) -> None:
        """Ask to be let in."""
        self._rooms.append(
            room, self.member_draft(user_id, user_id, "knock", reason=reason)
        )

    def leave(self, user_id: str, room: Room, reason: str | None) -> None:
        """Leave the room, or reject its invite, or take back a knock."""
        self._rooms.append(
            room, self.member_draft(user_id, user_id, "leave", reason=reason)
        )

    def invite(self, sender: str, room: Room, user_id: str, reason: str | None) -> None:
        """Ask a user in."""
        self.check_reachable(user_id)
        self._rooms.append(
            room, self.member_draft(sender, user_id, "invite", reason=reason)
        )

    def kick(self, sender: str, room: Room, user_id: str, reason: str | None) -> None:
        """Put a user out, who may come back if the room lets them."""
        checked_user_id(user_id)
        if room.membership(user_id) not in ("join", "invite", "knock"):
            raise Forbidden("This user is not in the room")
        self._rooms.append(
            room, self.member_draft(sender, user_id, "leave", reason=reason)
        )

    def ban(self, sender: str, room: Room, user_id: str, reason: str | None) -> None:
        """Put a user out for good."""
        checked_user_id(user_id)
        self._rooms.append(
            room, self.member_draft(sender, user_id, "ban", reason=reason)
        )

    def unban(self, sender: str, room: Room, user_id: str, reason: str | None) -> None:
        """Let a banned user come back."""
        checked_user_id(user_id)
        if room.membership(user_id) != "ban":
            raise Forbidden("This user is not banned")
        self._rooms.append(
            room, self.member_draft(sender, user_id, "leave", reason=reason)
        )

    def check_reachable(self, user_id: str) -> None:
        """Refuse to invite those who cannot be told.

        Raises:
            InvalidParam: this is no user id.
            NotFound: the account is not there.
            Forbidden: it is on another server.
        """
        checked_user_id(user_id)
        if server_of(user_id) != self._rooms.server_name:
            raise Forbidden("Users of other servers are invited with /invite only")
        if not self._people.exists(user_id):
            raise NotFound("There is no such user")

    def profile_changed(self, user_id: str, _profile: Profile) -> None:
        """Show the user's new name and picture in every room they are in (D-2)."""
        draft = self.member_draft(user_id, user_id, "join")
        self._append_everywhere(draft, list(self._rooms.of(user_id).joined.values()))

    def deactivated(self, user_id: str) -> None:
        """Take a deactivated user out of every room."""
        user = self._rooms.of(user_id)
        rooms = list(user.joined.values())
        for room_id, event in user.others.items():
            room = self._rooms.get(room_id)
            if room is not None and event.membership in ("invite", "knock"):
                rooms.append(room)
        self._append_everywhere(self.member_draft(user_id, user_id, "leave"), rooms)

    def _append_everywhere(self, draft: Draft, rooms: list[Room]) -> None:
        for room in rooms:
            try:
                self._rooms.append(room, draft)
            except MatrixError as refusal:
                logger.debug("%s keeps a member as is: %s", room.room_id, refusal)
        # `stored` logs what goes wrong; there is no request to be told of it.
        Deferred.fromCoroutine(self._rooms.journal.stored()).addErrback(lambda _: None)

    def _authorising_user(self, room: Room, user_id: str) -> str | None:
        """A member of ours who may let this user into a restricted room.

        None where it takes nobody: the room is not restricted, or the user is invited.

        Raises:
            Forbidden: the user is in none of the rooms that open this one.
            NobodyMayLetIn: they are, but there is no such member of ours.
        """
        if not takes_authorising(room, user_id):
            return None
        mine = self._rooms.of(user_id).joined
        if mine.keys().isdisjoint(opening_rooms(room)):
            raise Forbidden("You are in none of the rooms that let you into this one")
        member = authorising_user(room, self._rooms.server_name)
        if member is None:
            raise NobodyMayLetIn("Nobody here may let you in")
        return member
