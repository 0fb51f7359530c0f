"""Names and pictures in `m.presence`, where that is switched on (D-1, D-8).

Synapse turns states into JSON with one function, which its servlets and its federation
sender have each imported for themselves. Theirs are replaced by one that knows a state
with a profile; all other states it leaves to Synapse's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

import attrs
from synapse.api.presence import UserPresenceState
from synapse.server import HomeServer
from synapse.types import JsonDict

from matrix_presence.handler import PresenceHandler
from matrix_presence.interfaces import NO_PROFILE, Profile
from matrix_presence.synapse import tables
from matrix_presence.wire.content import with_profile

#: Who writes `m.presence`; the body of a GET has no profile.
_WRITERS = (
    "synapse.rest.client.sync",
    "synapse.notifier",
    "synapse.handlers.events",
    "synapse.handlers.initial_sync",
    "synapse.handlers.appservice",
    "synapse.federation.sender.per_destination_queue",
)
_NAME = "format_user_presence_state"
#: On our function.
_MARK = "_matrix_presence"
#: Profiles read in one go, some milliseconds' work.
_AT_ONCE = 500


@attrs.frozen(slots=True)
class ProfiledState(UserPresenceState):
    """A state that carries the profile of its user."""

    profile: Profile = NO_PROFILE


def profiled(state: UserPresenceState, profile: Profile) -> ProfiledState:
    """The state with this profile."""
    names = [field.name for field in attrs.fields(UserPresenceState)]
    facts = {name: getattr(state, name) for name in names}
    return ProfiledState(**facts, profile=profile)


def without_profile(state: UserPresenceState) -> UserPresenceState:
    """The state as Synapse itself would have it."""
    if isinstance(state, ProfiledState):
        return attrs.evolve(state, profile=NO_PROFILE)
    return state


def write_profiles() -> list[str]:
    """Let whoever writes `m.presence` write profiles too; who cannot be made to."""
    others = []
    for name in _WRITERS:
        module: Any = import_module(name)
        stock = getattr(module, _NAME, None)
        if stock is None:
            others.append(name)
        elif not hasattr(stock, _MARK):
            setattr(module, _NAME, _writing(stock))
    return others


def _writing(stock: Callable[..., JsonDict]) -> Callable[..., JsonDict]:
    @wraps(stock)
    def format_user_presence_state(
        state: UserPresenceState, *args: Any, **kwargs: Any
    ) -> JsonDict:
        content = stock(state, *args, **kwargs)
        if isinstance(state, ProfiledState):
            with_profile(content, state.profile)
        return content

    setattr(format_user_presence_state, _MARK, True)
    return format_user_presence_state


async def load(homeserver: HomeServer, handler: PresenceHandler) -> None:
    """Read the profiles of all who have one, in a background process."""
    pool, after = homeserver.get_datastores().main.db_pool, ""
    users = handler.cache.users
    while rows := await pool.runInteraction(
        "presence_profiles", tables.load_profiles, after, _AT_ONCE
    ):
        for user_id, displayname, avatar_url in rows:
            if displayname is not None or avatar_url is not None:
                profile = Profile(displayname, avatar_url)
                users.profiles[users.intern(user_id)] = profile
        after = rows[-1][0]
