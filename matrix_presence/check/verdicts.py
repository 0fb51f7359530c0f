"""What a check can come to, and how it says so."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import attrs

from matrix_presence.check.registry import Check


class Verdict(StrEnum):
    """What came of a check."""

    PASS = "pass"
    #: The target did what it should, but said so in other words: another errcode, or
    #: another status that a check accepts.
    STRICT = "strict"
    FAIL = "fail"
    SKIPPED = "skipped"
    #: The target does not have what is checked, and need not have it.
    NOT_OFFERED = "not offered"


class Failed(Exception):
    """The target does not do what it should; `str()` is one sentence."""


class Skipped(Exception):
    """The check cannot be done here and now; `str()` is the reason."""


class NotOffered(Exception):
    """The target does not have this and need not; `str()` says how that was seen."""


class CannotRun(Exception):
    """There is no target to check, or none to go on with; `str()` is one sentence."""


@attrs.frozen
class Result:
    """What came of one check."""

    check: Check
    verdict: Verdict
    #: Why; for a pass what is worth knowing, mostly nothing.
    reason: str = ""
    #: What was said to the target and what it answered, up to the end of the check, as
    #: text with the tokens blanked; kept for what is not a pass.
    exchanges: Sequence[str] = ()
    #: From start to end, ms.
    took: int = 0
    #: Of that, how long rate limits of the target were waited for, ms.
    limited: int = 0
