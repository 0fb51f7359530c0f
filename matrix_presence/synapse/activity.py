"""Messages of any kind as activity of their senders.

Synapse itself takes only `m.room.message` for activity: what is said in an encrypted
room, a reaction or a redaction is none to it (B-17).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from synapse.api.constants import EventTypes
from synapse.events import EventBase
from synapse.notifier import Notifier
from synapse.types import PersistedEventPosition

#: Told of a user who has sent something, and of the device they did it with.
Active = Callable[[str, str | None], None]


def watch(notifier: Notifier, is_mine: Callable[[str], bool], active: Active) -> None:
    """Tell `active` of each message event that passes this notifier.

    The module API has a callback for new events too, for which Synapse reads the whole
    state of the room each time.
    """
    stock = notifier.on_new_room_events

    async def on_new_room_events(
        events_and_pos: Sequence[tuple[EventBase, PersistedEventPosition]],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        for event, _ in events_and_pos:
            if (
                not event.is_state()
                # Of these Synapse tells by itself.
                and event.type != EventTypes.Message
                and is_mine(event.sender)
            ):
                device_id = getattr(event.internal_metadata, "device_id", None)
                active(event.sender, device_id)
        await stock(list(events_and_pos), *args, **kwargs)

    notifier.on_new_room_events = on_new_room_events  # type: ignore[method-assign]
