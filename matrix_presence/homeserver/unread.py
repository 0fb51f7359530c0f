"""How many messages of a room a member has not read.

Kept as sorted positions, so that a count is a search, however much there is unread.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict

from matrix_presence.homeserver.events import Event

#: What the default push rules notify of.
_NOTIFYING = frozenset({"m.room.message", "m.room.encrypted"})


class Unread:
    """The messages of one room that can be unread."""

    def __init__(self) -> None:
        self._messages: list[int] = []
        #: By user, the messages that mention them.
        self._mentions: defaultdict[str, list[int]] = defaultdict(list)
        #: By user, the position of what they sent last: that they have read.
        self._sent: dict[str, int] = {}

    def add(self, event: Event) -> None:
        """An event that comes after all before."""
        self._sent[event.sender] = event.position
        if event.type not in _NOTIFYING or event.state_key is not None:
            return
        self._messages.append(event.position)
        mentions = event.content.get("m.mentions")
        user_ids = mentions.get("user_ids") if type(mentions) is dict else None
        if type(user_ids) is list:
            for user_id in {item for item in user_ids if type(item) is str}:
                self._mentions[user_id].append(event.position)

    def counts(self, user_id: str, read_up_to: int) -> dict[str, int]:
        """The `unread_notifications` of this user.

        Args:
            read_up_to: the position of the user's read receipt or join.
        """
        seen = max(read_up_to, self._sent.get(user_id, 0))
        return {
            "notification_count": _after(self._messages, seen),
            "highlight_count": _after(self._mentions.get(user_id, []), seen),
        }


def _after(positions: list[int], seen: int) -> int:
    return len(positions) - bisect_right(positions, seen)
