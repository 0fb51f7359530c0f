"""What another server may see of a room that it is in.

State, and what allows it, every server in the room may see: it could not work
without. Of all other events it sees what one of its users could, judged at the place
of the event: everything if the history was shared or world-readable there, else what
happened while one of its users was a member (or, as the room may want it, invited). Of
the rest it is given what a redaction leaves, which is what it takes to follow history.
"""

from __future__ import annotations

from typing import Any

import attrs

from matrix_presence.homeserver.events import Event, Standing
from matrix_presence.homeserver.room import Room
from matrix_presence.ids import server_of
from matrix_presence.wire.redaction import redacted

_VISIBILITY = ("m.room.history_visibility", "")


@attrs.frozen
class Shown:
    """A room as one other server sees it."""

    room: Room
    server_name: str

    def find(self, event_id: str) -> Event | None:
        """The event of this id, if it has a place in the history."""
        event = self.room.find(event_id)
        if event is None or event.standing in (Standing.OUTLIER, Standing.REJECTED):
            return None
        return event

    def pdu(self, event: Event) -> dict[str, Any]:
        """The event, or what is left of it."""
        if self._may_see(event):
            return event.pdu
        return redacted(event.pdu, event.version)

    def _may_see(self, event: Event) -> bool:
        visibility = self.room.value_at(_VISIBILITY, event.position)
        said = "shared"
        if visibility is not None:
            said = visibility.content.get("history_visibility", "shared")
        if said not in ("invited", "joined"):
            return True
        enough = ("join", "invite") if said == "invited" else ("join",)
        return any(
            self.room.membership_at(user_id, event.position) in enough
            for user_id in self._users()
        )

    def _users(self) -> list[str]:
        return [
            key
            for event_type, key in self.room.state
            if event_type == "m.room.member" and server_of(key) == self.server_name
        ]
