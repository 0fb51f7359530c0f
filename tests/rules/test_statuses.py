"""What a status does to a device."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.rules.devices import (
    UNKNOWN,
    Device,
    Hold,
)
from matrix_presence.rules.states import AVAILABILITY, IDLING, PRESENCES, Presence
from tests.base import TestCase
from tests.rules.happening import (
    MINUTE,
    NOW,
    SECOND,
    act,
    devices,
    left,
    poll,
    put,
    stands,
    states,
    sync,
    times,
)
from tests.rules.test_states import UPWARDS

OFFLINE, UNAVAILABLE, ONLINE, FREE_FOR_CHAT, BUSY = Presence


class StatusTests(TestCase):
    """Setting a status."""

    def test_a_status_is_what_the_device_then_states(self) -> None:
        """Each state can be set, also unavailable by hand (B-3, B-41)."""
        for state in PRESENCES:
            self.assertEqual(state, stands(put(UNKNOWN, state, NOW), NOW))

    def test_the_six_ways_up_bump_the_last_activity(self) -> None:
        """Each raise of availability is a pro-active event (B-14, B-16)."""
        for before, after in UPWARDS:
            device = put(put(UNKNOWN, before, NOW), after, NOW + SECOND)
            self.assertEqual(NOW + SECOND, device.last_active_ts, (before, after))

    def test_the_six_ways_down_do_not(self) -> None:
        """No lowering of availability is activity (B-15, B-16)."""
        for after, before in UPWARDS:
            device = put(put(UNKNOWN, before, NOW), after, NOW + SECOND)
            self.assertEqual(NOW, device.last_active_ts, (before, after))

    def test_raising_to_unavailable_does_not_make_online(self) -> None:
        """Offline to unavailable is activity, and still unavailable (X-4)."""
        device = put(UNKNOWN, UNAVAILABLE, NOW)
        self.assertEqual(NOW, device.last_active_ts)
        self.assertEqual(UNAVAILABLE, stands(device, NOW))

    def test_online_once_more_bumps(self) -> None:
        """A status that repeats online is activity (B-16, X-4)."""
        device = put(put(UNKNOWN, ONLINE, NOW), ONLINE, NOW + SECOND)
        self.assertEqual(NOW + SECOND, device.last_active_ts)

    def test_online_from_idle_bumps(self) -> None:
        """Who had become idle and says online is active (B-13)."""
        idle = poll(UNKNOWN, None, NOW)
        later = NOW + 10 * MINUTE
        self.assertEqual(UNAVAILABLE, stands(idle, later))
        self.assertEqual(ONLINE, stands(put(idle, ONLINE, later), later))

    @given(devices(), states, times)
    def test_a_status_can_always_be_set(
        self, device: Device, state: Presence, later: int
    ) -> None:
        """Whatever was before, a status that is set holds at that moment (B-43)."""
        now = NOW + later
        self.assertEqual(state, stands(put(device, state, now), now))

    @given(devices(), states, times)
    def test_a_lowering_status_never_bumps(
        self, device: Device, state: Presence, later: int
    ) -> None:
        """Whatever was before, less availability is no activity (B-15)."""
        now = NOW + later
        # What was kept for an application service may be older than idle: online
        # after it would have passed already.
        begins_anew = device.hold == Hold.KEPT and state in IDLING
        if AVAILABILITY[state] < AVAILABILITY[stands(device, now)] and not begins_anew:
            after = put(device, state, now)
            self.assertEqual(device.last_active_ts, after.last_active_ts)


class HidingTests(TestCase):
    """A status of offline."""

    def test_it_holds_over_default_syncs(self) -> None:
        """A sync that does not say online does not end it (B-47)."""
        device = put(put(UNKNOWN, ONLINE, NOW), OFFLINE, NOW)
        for said in (None, UNAVAILABLE, OFFLINE):
            device = sync(device, said, NOW + SECOND)
            self.assertEqual(OFFLINE, stands(device, NOW + SECOND))

    def test_a_sync_that_says_online_ends_it(self) -> None:
        """`set_presence=online` in so many words is an edge (B-47)."""
        device = sync(put(UNKNOWN, OFFLINE, NOW), ONLINE, NOW + SECOND)
        self.assertEqual(ONLINE, stands(device, NOW + SECOND))
        self.assertEqual(NOW + SECOND, device.last_active_ts)

    def test_another_status_ends_it(self) -> None:
        """The next status that is not offline ends it (B-47)."""
        for state in (UNAVAILABLE, ONLINE, FREE_FOR_CHAT, BUSY):
            device = put(put(UNKNOWN, OFFLINE, NOW), state, NOW + 1)
            self.assertEqual(state, stands(device, NOW + 1))

    @given(devices(), st.lists(st.tuples(times, st.sampled_from("nuoa")), max_size=8))
    def test_nothing_else_ends_it(
        self, device: Device, happens: list[tuple[int, str]]
    ) -> None:
        """However much is done and whatever time passes, hidden is hidden (B-47)."""
        now = NOW
        device = put(device, OFFLINE, now)
        active = device.last_active_ts
        for later, what in happens:
            now += later
            said = {"n": None, "u": UNAVAILABLE, "o": OFFLINE}
            device = act(device, now) if what == "a" else sync(device, said[what], now)
            self.assertEqual(OFFLINE, stands(device, now))
            self.assertIsNotNone(left(device, now))
        self.assertEqual(active, device.last_active_ts)
