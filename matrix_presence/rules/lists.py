"""Presence lists: who observes whom without sharing a room, and who has agreed to it.

An *observer* puts an *observed* user on their list. The entry is pending until the
observed user accepts, by themself or by policy (A-62, A-68, A-69). Source: the module
of r0.1.0, "presence list"; what it leaves open is settled in the requirements.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum, IntEnum

ALWAYS, REVERSE, SHARED_ROOM, NEVER = "always", "reverse", "shared_room", "never"
#: When an invite is accepted without asking (A-69).
POLICIES = (ALWAYS, REVERSE, SHARED_ROOM, NEVER)


class Entry(IntEnum):
    """What there is between an observer and an observed user."""

    NONE = 0
    PENDING = 1
    ACCEPTED = 2
    #: Accepted, but the observer's server does not want to hear of it now (C-20).
    RESTING = 3


class Reply(Enum):
    """What comes of an invite."""

    ACCEPT = "accept"
    #: The observed user is asked.
    ASK = "ask"
    #: It waits, and nobody is bothered.
    KEEP_QUIET = "keep quiet"
    #: Nothing is kept of it.
    DROP = "drop"


def reply_to_invite(
    entry: Entry,
    policies: Collection[str],
    *,
    exists: bool,
    is_ignored: bool,
    is_observed_back: bool,
    share_a_room: bool,
    has_room_for_more: bool,
) -> Reply:
    """What comes of an invite to a local user.

    Nobody can tell by it who exists (A-67): an invite to a user who does not waits,
    like one that a user does not answer, and both are denied in the end (C-25).

    Args:
        entry: as it stands before.
        is_ignored: the observed user ignores the observer.
        is_observed_back: the observed user is an accepted observer of the observer.
        has_room_for_more: fewer invites wait for the observed user than may.
    """
    # Once more: the reply may not have arrived (C-27).
    if exists and entry >= Entry.ACCEPTED:
        return Reply.ACCEPT
    is_heard = exists and not is_ignored
    if is_heard and (
        ALWAYS in policies
        or (REVERSE in policies and is_observed_back)
        or (SHARED_ROOM in policies and share_a_room)
    ):
        return Reply.ACCEPT
    if entry is Entry.NONE and not has_room_for_more:
        return Reply.DROP
    return Reply.ASK if is_heard else Reply.KEEP_QUIET
