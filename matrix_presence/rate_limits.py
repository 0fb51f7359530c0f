"""The options of `rc_presence`: a token bucket for each who may tell of presence."""

from __future__ import annotations

import attrs

from matrix_presence.kinds import RATE, count
from matrix_presence.options import option, section


@attrs.frozen
class PerUser:
    """A token bucket for each user."""

    per_second: float = option(
        RATE, 1, "How many changes a user regains. With 0 there is no limit."
    )
    burst_count: int = option(
        count(1), 5, "How many changes a user can make in one go."
    )


@attrs.frozen
class PerOrigin:
    """A token bucket for each other server."""

    per_second: float = option(
        RATE, 500, "How many users more it can tell of each second."
    )
    burst_count: int = option(
        count(1),
        20_000,
        "How many users it can tell of in one go. What exceeds it is dropped.",
    )


@attrs.frozen
class PerList:
    """A token bucket for each user's presence list."""

    per_second: float = option(
        RATE,
        5,
        "How many users more can be invited, dropped, accepted or denied each second. "
        "With 0 there is no limit.",
    )
    burst_count: int = option(
        count(1),
        100,
        "How many in one go. A request that names more is taken, and the next one "
        "waits for it.",
    )


@attrs.frozen
class RcPresence:
    """Who is limited by what."""

    per_user: PerUser = section(PerUser, "For each user, over all devices.")
    per_list: PerList = section(PerList, "For each presence list.")
    per_origin: PerOrigin = section(PerOrigin, "For each other server.")
