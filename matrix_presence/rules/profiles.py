"""The global profile of a user, as far as presence carries it (D-1, D-5)."""

from __future__ import annotations

import attrs


@attrs.frozen
class Profile:
    """The global name and picture of a user; None where unset."""

    displayname: str | None = None
    avatar_url: str | None = None


NO_PROFILE = Profile()
