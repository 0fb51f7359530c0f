"""Refusals that only accounts know."""

from __future__ import annotations

from matrix_presence.errors import MatrixError


class UserDeactivated(MatrixError):
    """The account was given up (D-40)."""

    status = 403
    errcode = "M_USER_DEACTIVATED"


class UnknownDevice(MatrixError):
    """An application service names a device that its user does not have (A-12)."""

    errcode = "M_UNKNOWN_DEVICE"


class Exclusive(MatrixError):
    """An application service has reserved this user id."""

    errcode = "M_EXCLUSIVE"


class InvalidUsername(MatrixError):
    """No user id can be made of this name."""

    errcode = "M_INVALID_USERNAME"


class UserInUse(MatrixError):
    """Somebody has or had this user id."""

    errcode = "M_USER_IN_USE"


class ServerControlled(MatrixError):
    """Account data of a type that has endpoints of its own."""

    status = 405
    errcode = "M_BAD_JSON"
