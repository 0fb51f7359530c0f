"""Users of the peer and of the target in rooms of each other."""

from __future__ import annotations

from urllib.parse import quote

import attrs

from matrix_presence.check.exchange import Reply
from matrix_presence.check.peer.rooms import (
    Unjoinable,
    filled_in,
    make_path,
    send_path,
)
from matrix_presence.check.peer.telling import Telling
from matrix_presence.check.person import Person
from matrix_presence.check.verdicts import Failed, NotOffered


@attrs.define
class Joining(Telling):
    """Joins rooms of the target, and has its users join rooms of the peer."""

    async def join(self, room_id: str, user_id: str | None = None) -> None:
        """Make a user of the peer a member of a room of the target (C-80, C-81).

        They leave it again when the check has ended.

        Raises:
            Failed: the target does not let them in.
        """
        user_id = user_id or self.user_id
        try:
            await self._change("join", room_id, user_id)
        except Unjoinable as reason:
            raise Failed(f"its room cannot be joined: the target {reason}") from None
        self.bench.afterwards(lambda: self._change("leave", room_id, user_id))

    async def brings_in(self, person: Person) -> str:
        """The id of a new room of the peer that a user of the target has joined.

        They leave it again when the check has ended.
        """
        room_id = self.peer.residence.create(self.user_id)
        path = f"join/{quote(room_id, '')}"
        via = {"server_name": self.peer.name, "via": self.peer.name}
        reply = await person.ask("POST", path, {}, query=via)
        if reply.status != 200:
            # Perhaps there is no joining at all, neither way.
            self._refuse_without_rooms(await self._template("join", room_id))
            raise Failed(f"a room of another server cannot be joined: {reply.status}")
        self.bench.afterwards(lambda: self.bench.leave(room_id, person))
        return room_id

    async def leave(self, room_id: str) -> None:
        """Take the user of the visit out of a room of the target.

        Raises:
            Failed: the target does not let them go.
        """
        try:
            await self._change("leave", room_id, self.user_id)
        except Unjoinable as reason:
            raise Failed(f"its room cannot be left: the target {reason}") from None

    async def _change(self, step: str, room_id: str, user_id: str) -> None:
        template = await self._template(step, room_id, user_id)
        self._refuse_without_rooms(template)
        if template.status != 200 or not isinstance(template.json, dict):
            raise Unjoinable(f"answers make_{step} with {template.status}")
        made = filled_in(template.json, user_id, room_id, step, self.peer.own)
        path = send_path(step, room_id, made.event_id)
        reply = await self.ask("PUT", path, made.pdu)
        if reply.status != 200:
            raise Unjoinable(f"answers send_{step} with {reply.status}")

    async def _template(
        self, step: str, room_id: str, user_id: str | None = None
    ) -> Reply:
        return await self.ask("GET", make_path(step, room_id, user_id or self.user_id))

    @staticmethod
    def _refuse_without_rooms(template: Reply) -> None:
        """Let a check be, where there is no endpoint to ask for a template.

        Raises:
            NotOffered: there is none.
        """
        if template.status == 404 and template.errcode == "M_UNRECOGNIZED":
            raise NotOffered("rooms do not reach across servers: make_join is unknown")
