"""The refusals that only rooms need."""

from __future__ import annotations

from matrix_presence.errors import Forbidden, MatrixError


class RoomInUse(MatrixError):
    """The alias belongs to another room."""

    errcode = "M_ROOM_IN_USE"


class InvalidRoomState(MatrixError):
    """The first events of a new room do not go together."""

    errcode = "M_INVALID_ROOM_STATE"


class NobodyMayLetIn(Forbidden):
    """The user may come in, but none of ours may let them: another server might."""


class UnsupportedRoomVersion(MatrixError):
    """We know no such room version."""

    errcode = "M_UNSUPPORTED_ROOM_VERSION"


class BadAlias(MatrixError):
    """The alias does not point to this room."""

    errcode = "M_BAD_ALIAS"


class IncompatibleRoomVersion(MatrixError):
    """The other server does not know the version of the room (C-80)."""

    errcode = "M_INCOMPATIBLE_ROOM_VERSION"


class UnableToAuthoriseJoin(MatrixError):
    """We cannot tell whether the user may come in: we are not in those rooms (C-80)."""

    errcode = "M_UNABLE_TO_AUTHORISE_JOIN"


class UnableToGrantJoin(MatrixError):
    """The user may come in, but nobody here may let them in (C-80)."""

    errcode = "M_UNABLE_TO_GRANT_JOIN"
