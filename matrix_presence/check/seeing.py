"""What one looks for in what is shown of somebody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matrix_presence.check.bench import Bench
from matrix_presence.check.person import Person, Synced

Content = dict[str, Any]
"""The content of an m.presence."""

Seen = Callable[[Content], bool]
"""Whether a content is what is looked for."""


def presence_is(presence: str) -> Seen:
    """Whether somebody is shown in this state."""
    return lambda content: content.get("presence") == presence


def is_here(content: Content) -> bool:
    """Whether somebody is not offline; they may have become idle meanwhile."""
    return content.get("presence") != "offline"


def says(presence: str, message: str) -> Seen:
    """Whether somebody is shown in this state with this message."""
    return lambda content: (
        (content.get("presence"), content.get("status_msg")) == (presence, message)
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
