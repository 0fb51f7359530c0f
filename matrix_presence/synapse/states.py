"""Between the columns of the cache and the values that Synapse passes around."""

from __future__ import annotations

from collections.abc import Iterable

from synapse.api.presence import UserPresenceState

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.rules.users import is_currently_active
from matrix_presence.synapse.eras import Eras
from matrix_presence.synapse.profiles import profiled
from matrix_presence.wire.content import MODERN_NAMES


class States:
    """What is known of users, as Synapse's handlers and servlets read it.

    Args:
        granularity: ms for which an activity counts as current.
        eras: how the present request is to be spoken to.
        has_profiles: whether a state carries the profile of its user.
        hides: whether somebody who hides does not show when they were last here.
        is_late: whether somebody is currently active until others are told otherwise.
    """

    def __init__(
        self,
        cache: PresenceCache,
        granularity: int,
        eras: Eras,
        *,
        hides: bool,
        is_late: bool,
        has_profiles: bool,
    ) -> None:
        self._cache = cache
        self._granularity = granularity
        self._eras = eras
        self._hides = hides
        self._is_late = is_late
        self._has_profiles = has_profiles

    def of_all(self, users: Iterable[int], now: int) -> list[UserPresenceState]:
        """These users, for the present request, as they stand at `now` (epoch ms)."""
        names = self._eras.names()
        return [self.of(user, now, names) for user in users]

    def of(
        self, user: int, now: int, names: tuple[str, ...] = MODERN_NAMES
    ) -> UserPresenceState:
        """A user as they stand at `now` (epoch ms).

        Somebody who hides does not show when they were last here (B-51).

        Args:
            names: of the states; free for chat is online to most (X-1).
        """
        users = self._cache.users
        presence = users.presence(user)
        last_active_ts = users.last_active_ts[user]
        hidden = self._hides and users.is_hidden(user)
        state = UserPresenceState(
            user_id=users.ids[user],
            state=names[presence],
            last_active_ts=0 if hidden else last_active_ts,
            last_federation_update_ts=users.told_ts[user],
            last_user_sync_ts=now if presence else 0,
            status_msg=users.status_msg[user],
            currently_active=users.is_shown_active(user)
            if self._is_late
            else is_currently_active(presence, last_active_ts, now, self._granularity),
        )
        if self._has_profiles and user in users.profiles:
            return profiled(state, users.profiles[user])
        return state

    def of_ids(self, user_ids: Iterable[str], now: int) -> dict[str, UserPresenceState]:
        """By id, for the present request: how these users stand at `now`."""
        names = self._eras.names()
        return {user_id: self.of_id(user_id, now, names) for user_id in user_ids}

    def of_id(
        self, user_id: str, now: int, names: tuple[str, ...] = MODERN_NAMES
    ) -> UserPresenceState:
        """The same by id; somebody never heard of is offline and stays unknown."""
        user = self._cache.users.find(user_id)
        if user is None or user in self._cache.gone:
            return UserPresenceState.default(user_id)
        return self.of(user, now, names)
