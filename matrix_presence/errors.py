"""Refusals as Matrix words them: an errcode, an HTTP status, a sentence.

Whoever refuses raises one of these; the resource tree turns it into a response and
nobody else needs to know about HTTP. One class per decision, so that callers and
tests can tell refusals apart without reading sentences.

    MatrixError
     ├── Forbidden            403 M_FORBIDDEN
     ├── GuestForbidden       403 M_GUEST_ACCESS_FORBIDDEN
     ├── Suspended            403 M_USER_SUSPENDED
     ├── Locked               401 M_USER_LOCKED
     ├── MissingToken         401 M_MISSING_TOKEN
     ├── UnknownToken         401 M_UNKNOWN_TOKEN
     ├── Unauthorized         401 M_UNAUTHORIZED
     ├── NotFound             404 M_NOT_FOUND
     ├── Unrecognized         404 or 405 M_UNRECOGNIZED
     ├── NotJson              400 M_NOT_JSON
     ├── BadJson              400 M_BAD_JSON
     ├── InvalidParam         400 M_INVALID_PARAM
     ├── MissingParam         400 M_MISSING_PARAM
     ├── TooLarge             413 M_TOO_LARGE
     ├── ResourceLimit        400 M_RESOURCE_LIMIT_EXCEEDED
     ├── LimitExceeded        429 M_LIMIT_EXCEEDED
     └── NotStored            500 M_UNKNOWN
"""

from __future__ import annotations

from typing import Any


class MatrixError(Exception):
    """A refusal: `{"errcode", "error"}` with an HTTP status.

    Source: client-server API, "Standard error response" (A-8).
    """

    status: int = 400
    errcode: str = "M_UNKNOWN"

    def __init__(self, error: str, **extra: Any) -> None:
        super().__init__(error)
        self.error = error
        self.extra = extra

    def body(self) -> dict[str, Any]:
        """The JSON object of the response."""
        return {"errcode": self.errcode, "error": self.error, **self.extra}

    def headers(self) -> dict[str, str]:
        """Response headers that belong to this refusal."""
        return {}


class Forbidden(MatrixError):
    """The requester may not do or see this."""

    status = 403
    errcode = "M_FORBIDDEN"


class GuestForbidden(MatrixError):
    """Guests are not granted this endpoint (A-13)."""

    status = 403
    errcode = "M_GUEST_ACCESS_FORBIDDEN"


class Suspended(MatrixError):
    """A suspended account may look but not speak (A-14)."""

    status = 403
    errcode = "M_USER_SUSPENDED"


class Locked(MatrixError):
    """The account is locked; the client keeps its data (A-14)."""

    status = 401
    errcode = "M_USER_LOCKED"

    def __init__(self, error: str = "This account is locked") -> None:
        super().__init__(error, soft_logout=True)


class MissingToken(MatrixError):
    """No access token in the request (A-11)."""

    status = 401
    errcode = "M_MISSING_TOKEN"

    def __init__(self, error: str = "Missing access token") -> None:
        super().__init__(error)


class UnknownToken(MatrixError):
    """The access token is not one of ours (A-11)."""

    status = 401
    errcode = "M_UNKNOWN_TOKEN"

    def __init__(self, error: str = "Unrecognised access token") -> None:
        super().__init__(error, soft_logout=False)


class Unauthorized(MatrixError):
    """The request of another server is not signed by it, or not for us (C-52, C-54)."""

    status = 401
    errcode = "M_UNAUTHORIZED"


class NotFound(MatrixError):
    """The thing asked for is not there."""

    status = 404
    errcode = "M_NOT_FOUND"


class Unrecognized(MatrixError):
    """No such endpoint (404), or not with this method (405) (A-7)."""

    status = 404
    errcode = "M_UNRECOGNIZED"


class MethodNotAllowed(Unrecognized):
    """The endpoint exists, the method does not (A-7)."""

    status = 405


class NotJson(MatrixError):
    """The body is not JSON."""

    errcode = "M_NOT_JSON"


class BadJson(MatrixError):
    """The body is JSON, but not what this endpoint takes."""

    errcode = "M_BAD_JSON"


class InvalidParam(MatrixError):
    """A parameter of the path or the query is not valid."""

    errcode = "M_INVALID_PARAM"


class MissingParam(MatrixError):
    """A required parameter is missing."""

    errcode = "M_MISSING_PARAM"


class TooLarge(MatrixError):
    """The body, or a text in it, is longer than we take (A-26)."""

    status = 413
    errcode = "M_TOO_LARGE"


class ResourceLimit(MatrixError):
    """It would be more of something than one may have (A-67)."""

    errcode = "M_RESOURCE_LIMIT_EXCEEDED"


class LimitExceeded(MatrixError):
    """Too many requests; the answer says when to try again (A-28)."""

    status = 429
    errcode = "M_LIMIT_EXCEEDED"

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__("Too many requests", retry_after_ms=retry_after_ms)
        self.retry_after_ms = retry_after_ms

    def headers(self) -> dict[str, str]:
        """`Retry-After` in whole seconds, rounded up."""
        return {"Retry-After": str(-(-self.retry_after_ms // 1000))}


class NotStored(MatrixError):
    """The change could not be made durable, so it is not acknowledged."""

    status = 500
    errcode = "M_UNKNOWN"
