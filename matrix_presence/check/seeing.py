"""What one looks for in what is shown, or pushed, of somebody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matrix_presence.check.bench import Bench
from matrix_presence.check.person import Person, Synced

Content = dict[str, Any]
"""The content of an m.presence, a status, or an entry of a push: the same keys."""

Seen = Callable[[Content], bool]
"""Whether a content is what is looked for."""


def presence_is(presence: str) -> Seen:
    """Whether somebody is shown in this state."""
    return lambda content: content.get("presence") == presence


def is_here(content: Content) -> bool:
    """Whether somebody is not offline; they may have become idle meanwhile."""
    return content.get("presence") != "offline"


def says(message: str, presence: str | None = None) -> Seen:
    """Whether somebody is shown with this message.

    Args:
        presence: the state that they have to be shown in too; any unless given.
    """
    return lambda content: (
        content.get("status_msg") == message
        and presence in (None, content.get("presence"))
    )


async def shown(bench: Bench, of: Person, *, to: Person | None = None) -> Synced:
    """A first sync (A's unless said otherwise) that shows somebody online."""
    observer = bench.a if to is None else to

    def shows(synced: Synced) -> bool:
        content = synced.of(of.user_id)
        return content is not None and content.get("presence") == "online"

    return await bench.eventually(
        observer.sync, shows, "a first sync does not show a room mate who is online"
    )
