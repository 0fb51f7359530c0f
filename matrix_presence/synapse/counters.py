"""Synapse's own metrics of presence, which go on under their names.

They count what they say, as far as there still is such a thing: an update is something
that somebody did or said, whether or not anything came of it; a notification is a user
whose change was shown to others.
"""

from __future__ import annotations

from collections import Counter

from synapse.handlers.presence import (
    bump_active_time_counter,
    federation_presence_counter,
    federation_presence_out_counter,
    get_updates_counter,
    notified_presence_counter,
    notify_reason_counter,
    presence_updates_counter,
    presence_user_to_current_state_size_gauge,
    presence_wheel_timer_size_gauge,
    state_transition_counter,
    timers_fired_counter,
)
from synapse.metrics import SERVER_NAME_LABEL
from synapse.server import HomeServer

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.cache.users import PRESENCE, SHOWN_ACTIVE
from matrix_presence.handler import PresenceHandler
from matrix_presence.rules.states import ONLINE
from matrix_presence.ticks import Tick
from matrix_presence.wire.content import MODERN_NAMES


class Counters:
    """The counters of one homeserver."""

    def __init__(self, server_name: str, cache: PresenceCache) -> None:
        self._cache = cache
        self._labels = labels = {SERVER_NAME_LABEL: server_name}
        #: Since the last `flush`: updates and pro-active events. Every sync and every
        #: message comes by here, and a counter of Prometheus takes a lock.
        self.updates = 0
        self.bumps = 0
        self._updates = presence_updates_counter.labels(**labels)
        self._bumps = bump_active_time_counter.labels(**labels)
        #: Users of whom another server is told.
        self.sent = federation_presence_out_counter.labels(**labels)
        self._timers = timers_fired_counter.labels(**labels)
        #: Answers of the event source, with everybody and with what is new.
        self.full = get_updates_counter.labels(type="full", **labels)
        self.incremental = get_updates_counter.labels(type="stream", **labels)
        self._received = federation_presence_counter.labels(**labels)
        self._notified = notified_presence_counter.labels(**labels)
        #: By user: the flags of the cache as others were shown them last.
        self._shown = bytearray()

    def received(self, number: int) -> None:
        """Another server told of so many of its users."""
        self._received.inc(number)
        self.updates += number

    def flush(self, timers: int) -> None:
        """Let the counters of Prometheus have what was counted.

        Args:
            timers: users whose time has come since the last time.
        """
        self._timers.inc(timers)
        self._updates.inc(self.updates)
        self._bumps.inc(self.bumps)
        self.updates = self.bumps = 0

    def start(self) -> None:
        """From now on changes count: all who are stored are loaded."""
        self._shown = self._cache.users.flags.copy()

    def ticked(self, tick: Tick) -> None:
        """Others are shown these changes."""
        users = self._cache.users
        shown, flags_of = self._shown, users.flags
        shown += bytes(max(0, len(flags_of) - len(shown)))
        self.flush(0)
        self._notified.inc(len(tick.urgent) + len(tick.casual))
        # By locality: thousands may have changed, and there are a few reasons.
        reasons: Counter[tuple[str, str]] = Counter()
        transitions: Counter[tuple[str, int, int]] = Counter()
        for some, is_urgent in ((tick.urgent, True), (tick.casual, False)):
            for user in some:
                flags, flags_before = flags_of[user], shown[user]
                before, now = flags_before & PRESENCE, flags & PRESENCE
                locality = "local" if users.is_local[user] else "remote"
                if before != now:
                    reason = "state_change"
                    transitions[locality, before, now] += 1
                elif is_urgent:
                    reason = "status_msg_change"
                elif (flags ^ flags_before) & SHOWN_ACTIVE:
                    reason = "current_active_change"
                elif now == ONLINE:
                    reason = "last_active_change_online"
                else:
                    reason = "last_active_change_not_online"
                reasons[locality, reason] += 1
                shown[user] = flags
        for (locality, reason), number in reasons.items():
            notify_reason_counter.labels(
                locality=locality, reason=reason, **self._labels
            ).inc(number)
        for (locality, before, now), number in transitions.items():
            names = {"from": MODERN_NAMES[before], "to": MODERN_NAMES[now]}
            state_transition_counter.labels(
                locality=locality, **names, **self._labels
            ).inc(number)


class CountedHandler(PresenceHandler):
    """Counts whose time has come."""

    counters: Counters

    def time_out(self, most: int) -> bool:
        """Look at up to `most` users who are due; whether there may be more."""
        before = self.timed_out
        more = super().time_out(most)
        self.counters.flush(self.timed_out - before)
        return more


def show_sizes(homeserver: HomeServer, cache: PresenceCache) -> None:
    """Let Synapse's gauges show what is in the cache."""
    server_name, instance_id = homeserver.hostname, homeserver.get_instance_id()
    presence_user_to_current_state_size_gauge.register_hook(
        homeserver_instance_id=instance_id,
        hook=lambda: {(server_name,): len(cache.users)},
    )
    presence_wheel_timer_size_gauge.register_hook(
        homeserver_instance_id=instance_id,
        hook=lambda: {(server_name,): len(cache.wheel)},
    )
