"""What a client is told when another server was asked, and did not do it."""

from __future__ import annotations

from collections.abc import Iterable

from matrix_presence.errors import MatrixError
from matrix_presence.federation.client import BadAnswer, FederationError, Refused

#: Statuses that mean the same to our client as to us. 401 does not: it is about the
#: signature of this server, and would log the client out.
_PASSED_ON = frozenset({400, 403, 404, 409, 429})
#: The server has no such endpoint: that is between the two of us.
_NOT_PASSED_ON = frozenset({"M_UNRECOGNIZED", "M_UNAUTHORIZED", ""})


class RemoteRefusal(MatrixError):
    """Another server refused what the client asks for, and said why."""

    def __init__(self, refusal: Refused) -> None:
        super().__init__(refusal.error or "The other server refused")
        self.status = refusal.status
        self.errcode = refusal.errcode


class RemoteFailure(MatrixError):
    """Other servers could not be reached, or not be understood."""

    status = 502


def is_passed_on(reason: FederationError) -> bool:
    """Whether the client can make something of this reason."""
    return (
        isinstance(reason, Refused)
        and reason.status in _PASSED_ON
        and reason.errcode not in _NOT_PASSED_ON
    )


def as_refusal(destination: str, reason: FederationError) -> MatrixError:
    """What the client is told of this reason."""
    if isinstance(reason, Refused) and is_passed_on(reason):
        return RemoteRefusal(reason)
    if isinstance(reason, BadAnswer | Refused):
        return RemoteFailure(f"{destination} gave no useful answer: {reason}")
    return RemoteFailure(f"{destination} could not be reached: {reason}")


def the_best(reasons: Iterable[tuple[str, FederationError]]) -> MatrixError:
    """Of what several servers said: a refusal, if one of them refused; else all."""
    told = list(reasons)
    for destination, reason in told:
        if is_passed_on(reason):
            return as_refusal(destination, reason)
    return RemoteFailure("; ".join(as_refusal(*each).error for each in told))
