"""From an event that another server has prepared to one that we have signed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from matrix_presence.federation.room_answers import Template
from matrix_presence.homeserver.drafts import Signer
from matrix_presence.homeserver.events import Event
from matrix_presence.wire.room_versions import EventIds

#: What of a template is taken. It has been checked that it is what we asked for.
_PREPARED = (
    "type",
    "room_id",
    "sender",
    "state_key",
    "depth",
    "prev_events",
    "auth_events",
)


def signed_template(
    signer: Signer, template: Template, content: Mapping[str, Any]
) -> Event:
    """The event of this template with this content, signed by us.

    Raises:
        BadJson, TooLarge: it cannot be an event.
    """
    pdu: dict[str, Any] = {key: template.event[key] for key in _PREPARED}
    pdu["content"] = dict(content)
    pdu["origin_server_ts"] = signer.now()
    if template.version.event_ids is EventIds.CHOSEN:
        pdu["event_id"] = f"${secrets.token_urlsafe(15)}:{signer.server_name}"
        pdu["origin"] = signer.server_name
    return signer.signed(pdu, template.version)
