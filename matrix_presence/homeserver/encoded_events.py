"""Long lists of events as JSON, written out with a pause now and then."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

import orjson

from matrix_presence.homeserver.events import Event

#: Events written out between two pauses: a millisecond's work at most.
AT_ONCE = 100


def encoded_events(
    events: Sequence[Event], shown: Callable[[Event], dict[str, Any]]
) -> Generator[None, None, orjson.Fragment]:
    """The JSON array of these events, for use in what is encoded in the end.

    Args:
        shown: the event in the format that is asked for.
    """
    chunks = []
    for start in range(0, len(events), AT_ONCE):
        if start:
            yield
        some = [shown(event) for event in events[start : start + AT_ONCE]]
        chunks.append(orjson.dumps(some)[1:-1])
    return orjson.Fragment(b"[%b]" % b",".join(chunks))
