"""Keeps users of other servers as those servers have them.

They have no devices here: what their server said last is what is shown, until it says
something else or has said nothing for too long (C-9).
"""

from __future__ import annotations

import attrs

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.persistence import Persistence
from matrix_presence.rules.states import OFFLINE
from matrix_presence.rules.timeouts import Timeouts
from matrix_presence.rules.users import Shown, is_news
from matrix_presence.standings import Standings
from matrix_presence.wire.edu import Update


class Remotes:
    """The users' columns, as far as other servers decide them."""

    def __init__(
        self,
        cache: PresenceCache,
        timeouts: Timeouts,
        standings: Standings,
        persistence: Persistence,
    ) -> None:
        self._cache = cache
        self._timeouts = timeouts
        self._standings = standings
        self._dirty = persistence.dirty

    def told(self, user: int, update: Update, now: int) -> None:
        """Take what is said, and announce what others can see of it."""
        users = self._cache.users
        _, presence, status_msg, ago, active, profile = update
        news = users.status_msg[user] != status_msg
        if news:
            users.status_msg[user] = status_msg
        if profile:
            before = users.profile(user)
            after = attrs.evolve(before, **profile)
            if after != before:
                users.profiles[user] = after
                news = True
        if ago is not None:
            # More than all the time there is means that it is not known (C-7).
            users.last_active_ts[user] = max(0, now - ago)
        users.told_ts[user] = now
        self._dirty.add(user)
        if presence:
            self._cache.wheel.put(user, now + self._timeouts.federation)
        shown = Shown(
            users.presence(user),
            users.is_shown_active(user),
            users.shown_active_ts[user],
        )
        to_show = Shown(presence, active, users.last_active_ts[user])
        if news or is_news(shown, to_show, self._timeouts.last_active_granularity):
            urgent = news or presence != shown.presence
            self._standings.show(user, presence, active, urgent=urgent)

    def time_out(self, user: int, now: int) -> None:
        """Offline, if nothing has been heard of this user for too long."""
        users = self._cache.users
        if not users.presence(user):
            return
        deadline = users.told_ts[user] + self._timeouts.federation
        if deadline > now:
            self._cache.wheel.put(user, deadline)
        else:
            self._dirty.add(user)
            self._standings.show(user, OFFLINE, False, urgent=True)
