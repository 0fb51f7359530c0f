"""Between the columns of the cache and the values that Synapse passes around."""

from __future__ import annotations

from collections.abc import Iterable

from synapse.api.presence import UserPresenceState

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.rules.users import is_currently_active
from matrix_presence.synapse.eras import Eras
from matrix_presence.synapse.profiles import profiled
from matrix_presence.wire.content import MODERN_NAMES

#: Epoch ms. A time where there is none, for an EDU has to have one (C-5).
LONG_AGO = 1


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
        names, by = self._eras.names(), self._eras.requester()
        return [self.of(user, now, names, by) for user in users]

    def of(
        self,
        user: int,
        now: int,
        names: tuple[str, ...] = MODERN_NAMES,
        by: str | None = None,
    ) -> UserPresenceState:
        """A user as they stand at `now` (epoch ms).

        Somebody who hides shows when they were last here to themself only (B-51).

        Args:
            names: of the states; free for chat is online to most (X-1).
            by: who asks.
        """
        users = self._cache.users
        presence = users.presence(user)
        last_active_ts = users.last_active_ts[user]
        hidden = self._hides and users.is_hidden(user) and users.ids[user] != by
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
        names, by = self._eras.names(), self._eras.requester()
        return {user_id: self.of_id(user_id, now, names, by) for user_id in user_ids}

    def of_id(
        self,
        user_id: str,
        now: int,
        names: tuple[str, ...] = MODERN_NAMES,
        by: str | None = None,
    ) -> UserPresenceState:
        """The same by id; somebody never heard of is offline and stays unknown."""
        user = self._cache.users.find(user_id)
        if user is None or user in self._cache.gone:
            return UserPresenceState.default(user_id)
        return self.of(user, now, names, by)

    def for_servers(self, state: UserPresenceState) -> UserPresenceState:
        """The state of a user as other servers are told of it.

        Synapse leaves `last_active_ago` out where there is no time, and the schema
        requires it. Of somebody who hides it is what was known before (B-47).
        """
        if state.last_active_ts or not self._hides:
            return state
        user = self._cache.users.find(state.user_id)
        if user is None or user in self._cache.gone:
            shown_ts = 0
        else:
            shown_ts = self._cache.users.shown_active_ts[user]
        return state.copy_and_replace(last_active_ts=shown_ts or LONG_AGO)
