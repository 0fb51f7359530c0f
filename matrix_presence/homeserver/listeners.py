"""Who is told when something happens to an account.

Presence, rooms and waiting syncs listen; accounts know none of them. A listener is
called in the same turn of the reactor in which memory changes, before the change is
committed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import ParamSpec

import attrs

from matrix_presence.interfaces import Profile

logger = logging.getLogger(__name__)

_P = ParamSpec("_P")


@attrs.frozen
class Listeners:
    """Lists of functions; append to them to be told."""

    #: (user id) A new account.
    registered: list[Callable[[str], None]] = attrs.Factory(list)
    #: (user id, its new profile)
    profile_changed: list[Callable[[str, Profile], None]] = attrs.Factory(list)
    #: (user id, device id or None for all of them)
    logged_out: list[Callable[[str, str | None], None]] = attrs.Factory(list)
    #: (user id)
    deactivated: list[Callable[[str], None]] = attrs.Factory(list)
    #: (user id, all users whom it ignores now)
    ignores: list[Callable[[str, frozenset[str]], None]] = attrs.Factory(list)
    #: (user id) Its /sync has news: account data, to-device messages, own devices.
    something_for: list[Callable[[str], None]] = attrs.Factory(list)
    #: (user id) The devices or keys of this user changed: news for everybody who
    #: shares an encrypted room.
    device_list_changed: list[Callable[[str], None]] = attrs.Factory(list)


def tell(
    listeners: Sequence[Callable[_P, None]], *args: _P.args, **kwargs: _P.kwargs
) -> None:
    """Call them all; one that fails stops none of the others, nor the change."""
    for listener in listeners:
        try:
            listener(*args, **kwargs)
        except Exception:
            logger.exception("A listener failed")
