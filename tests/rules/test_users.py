"""What the devices of one user add up to, and what of it is news."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.rules.devices import UNKNOWN, Device
from matrix_presence.rules.states import PRESENCES, Presence
from matrix_presence.rules.users import Shown, add_up, is_currently_active, is_news
from tests.base import TestCase
from tests.rules.happening import (
    MINUTE,
    NOW,
    SECOND,
    TIMEOUTS,
    act,
    devices,
    poll,
    put,
    stands,
    times,
)

OFFLINE, UNAVAILABLE, ONLINE, FREE_FOR_CHAT, BUSY = Presence


class AddUpTests(TestCase):
    """The user behind the devices."""

    def test_without_devices_a_user_is_offline(self) -> None:
        """Nobody connected is nobody there (B-3)."""
        self.assertEqual((OFFLINE, 0, False, 0), add_up([], NOW, TIMEOUTS))

    def test_the_most_available_device_counts(self) -> None:
        """Each pair of states adds up to the higher, busy above all (B-1, B-5)."""
        for one in PRESENCES:
            for other in PRESENCES:
                both = [put(UNKNOWN, one, NOW), put(UNKNOWN, other, NOW)]
                self.assertEqual(max(one, other), add_up(both, NOW, TIMEOUTS).presence)

    def test_an_idle_device_does_not_idle_the_user(self) -> None:
        """While another device is active the user is online (B-44)."""
        later = NOW + 10 * MINUTE
        idle, active = poll(UNKNOWN, None, NOW), act(poll(UNKNOWN, None, NOW), later)
        self.assertEqual(UNAVAILABLE, stands(idle, later))
        self.assertEqual(ONLINE, add_up([idle, active], later, TIMEOUTS).presence)

    def test_all_devices_idle_is_idle(self) -> None:
        """Only when no device is active, is the user (B-44)."""
        idle = [poll(UNKNOWN, None, NOW), put(UNKNOWN, UNAVAILABLE, NOW)]
        idle[1] = poll(idle[1], UNAVAILABLE, NOW)
        self.assertEqual(UNAVAILABLE, add_up(idle, NOW + 6 * MINUTE, TIMEOUTS).presence)

    def test_the_last_activity_is_that_of_any_device(self) -> None:
        """The newest of the devices' activities is the user's (B-5, B-10)."""
        both = [act(UNKNOWN, NOW), act(UNKNOWN, NOW + SECOND)]
        self.assertEqual(
            NOW + SECOND, add_up(both, NOW + SECOND, TIMEOUTS).last_active_ts
        )

    def test_one_device_in_hiding_does_not_hide_the_user(self) -> None:
        """Hidden is who says so and is not seen by another device (B-47)."""
        hidden, online = put(UNKNOWN, OFFLINE, NOW), put(UNKNOWN, ONLINE, NOW)
        self.assertTrue(add_up([hidden], NOW, TIMEOUTS).hidden)
        self.assertFalse(add_up([hidden, online], NOW, TIMEOUTS).hidden)

    @given(st.lists(devices(), max_size=4), devices(), times)
    def test_one_more_device_never_hides_a_user(
        self, some: list[Device], one: Device, later: int
    ) -> None:
        """A further device can only make its user more available (B-5)."""
        now = NOW + later
        before, after = (add_up(these, now, TIMEOUTS) for these in (some, [*some, one]))
        self.assertGreaterEqual(after.presence, before.presence)
        self.assertGreaterEqual(after.last_active_ts, before.last_active_ts)

    @given(st.permutations([put(UNKNOWN, state, NOW) for state in PRESENCES]))
    def test_the_order_of_devices_says_nothing(self, some: list[Device]) -> None:
        """Devices are a set."""
        self.assertEqual(BUSY, add_up(some, NOW, TIMEOUTS).presence)

    @given(st.lists(devices(), max_size=4), times, st.data())
    def test_nothing_changes_before_the_deadline(
        self, some: list[Device], later: int, data: st.DataObject
    ) -> None:
        """The earliest deadline of any device is the user's (B-40, B-46)."""
        now = NOW + later
        stand = add_up(some, now, TIMEOUTS)
        until = stand.deadline - 1 if stand.deadline else now + 1000 * MINUTE
        between = data.draw(st.integers(now, max(now, until)))
        self.assertEqual(stand, add_up(some, between, TIMEOUTS))


class CurrentlyActiveTests(TestCase):
    """When the last activity stands for now."""

    def test_it_is_a_young_activity_of_somebody_online(self) -> None:
        """Within a granularity of the last activity it is true (B-30, B-34)."""
        for state in (ONLINE, FREE_FOR_CHAT):
            self.assertTrue(is_currently_active(state, NOW, NOW + 59_999, MINUTE))
            self.assertFalse(is_currently_active(state, NOW, NOW + MINUTE, MINUTE))

    def test_it_is_of_nobody_else(self) -> None:
        """Unavailable, offline and busy users are not currently active (B-30)."""
        for state in (OFFLINE, UNAVAILABLE, BUSY):
            self.assertFalse(is_currently_active(state, NOW, NOW, MINUTE))


flags = st.booleans()
stamps = st.integers(NOW - 5 * MINUTE, NOW)
shown = st.builds(Shown, st.sampled_from(PRESENCES), flags, stamps)


class NewsTests(TestCase):
    """What others have to be told."""

    def test_a_change_of_state_is(self) -> None:
        """Any other state is told, also while currently active (B-35)."""
        for before in PRESENCES:
            for after in PRESENCES:
                news = is_news(
                    Shown(before, False, NOW), Shown(after, False, NOW), MINUTE
                )
                self.assertEqual(before != after, news)

    def test_the_end_of_being_currently_active_is(self) -> None:
        """That it became false is told, and that it is true again (B-31, B-34)."""
        active, inactive = Shown(ONLINE, True, NOW), Shown(ONLINE, False, NOW)
        self.assertTrue(is_news(active, inactive, MINUTE))
        self.assertTrue(is_news(inactive, active, MINUTE))

    def test_a_newer_activity_is_not_while_currently_active(self) -> None:
        """Nobody hears of a mere activity of whom they believe active (B-31)."""
        before, after = Shown(ONLINE, True, NOW), Shown(ONLINE, True, NOW + 9 * MINUTE)
        self.assertFalse(is_news(before, after, MINUTE))

    def test_a_newer_activity_is_told_once_a_granularity(self) -> None:
        """Of an idle user it is told, but not again within a minute (B-19)."""
        before = Shown(UNAVAILABLE, False, NOW)
        soon = before._replace(last_active_ts=NOW + MINUTE - 1)
        late = before._replace(last_active_ts=NOW + MINUTE)
        self.assertFalse(is_news(before, soon, MINUTE))
        self.assertTrue(is_news(before, late, MINUTE))

    def test_activity_of_somebody_offline_is_never(self) -> None:
        """What a hidden user does is not told (B-47)."""
        before = Shown(OFFLINE, False, NOW)
        after = before._replace(last_active_ts=NOW + 90 * MINUTE)
        self.assertFalse(is_news(before, after, MINUTE))

    @given(shown)
    def test_the_same_is_never_news(self, same: Shown) -> None:
        """Who repeats themself tells nobody anything (A-31)."""
        self.assertFalse(is_news(same, same, MINUTE))
