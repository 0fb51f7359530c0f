"""The refusals that only rooms need."""

from __future__ import annotations

from matrix_presence.errors import MatrixError


class RoomInUse(MatrixError):
    """The alias belongs to another room."""

    errcode = "M_ROOM_IN_USE"


class InvalidRoomState(MatrixError):
    """The first events of a new room do not go together."""

    errcode = "M_INVALID_ROOM_STATE"


class UnsupportedRoomVersion(MatrixError):
    """We know no such room version."""

    errcode = "M_UNSUPPORTED_ROOM_VERSION"


class BadAlias(MatrixError):
    """The alias does not point to this room."""

    errcode = "M_BAD_ALIAS"
