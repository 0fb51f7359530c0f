"""The states and how they compare."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.rules.states import (
    AVAILABILITY,
    BY_NAME,
    NAMES,
    PRESENCES,
    Presence,
    is_proactive,
)
from tests.base import TestCase

OFFLINE, UNAVAILABLE, ONLINE, FREE_FOR_CHAT, BUSY = Presence

#: The six ways up; the six ways down are these backwards.
UPWARDS = (
    (OFFLINE, UNAVAILABLE),
    (OFFLINE, ONLINE),
    (OFFLINE, FREE_FOR_CHAT),
    (UNAVAILABLE, ONLINE),
    (UNAVAILABLE, FREE_FOR_CHAT),
    (ONLINE, FREE_FOR_CHAT),
)

states = st.sampled_from(PRESENCES)


class StateTests(TestCase):
    """The five states."""

    def test_states_go_by_the_names_of_the_specification(self) -> None:
        """The three states of today, free for chat and MSC3026's busy exist (B-3)."""
        self.assertEqual(
            {
                "offline": OFFLINE,
                "unavailable": UNAVAILABLE,
                "online": ONLINE,
                "free_for_chat": FREE_FOR_CHAT,
                "org.matrix.msc3026.busy": BUSY,
            },
            BY_NAME,
        )

    @given(states)
    def test_a_name_means_the_state_that_bears_it(self, state: Presence) -> None:
        """Names and numbers lead to one another."""
        self.assertIs(state, BY_NAME[NAMES[state]])

    def test_availability_has_four_levels(self) -> None:
        """Offline is the lowest, then unavailable, online, free for chat (B-4)."""
        levels = [AVAILABILITY[s] for s in (OFFLINE, UNAVAILABLE, ONLINE)]
        self.assertEqual([0, 1, 2], levels)
        self.assertEqual(3, AVAILABILITY[FREE_FOR_CHAT])

    def test_busy_is_as_available_as_online(self) -> None:
        """Busy outranks all devices, but it is not more available (B-5)."""
        self.assertEqual(AVAILABILITY[ONLINE], AVAILABILITY[BUSY])
        self.assertGreater(BUSY, FREE_FOR_CHAT)


class ProactiveTests(TestCase):
    """Which statements show that somebody is there."""

    def test_changing_to_online_is_proactive(self) -> None:
        """Stating online from below shows somebody who is there (B-13)."""
        self.assertTrue(is_proactive(OFFLINE, ONLINE))
        self.assertTrue(is_proactive(UNAVAILABLE, ONLINE))

    def test_each_of_the_six_ways_up_is_proactive(self) -> None:
        """Raising availability is a pro-active event (B-14)."""
        for before, after in UPWARDS:
            self.assertTrue(is_proactive(before, after), f"{before!r} {after!r}")

    def test_none_of_the_six_ways_down_is_proactive(self) -> None:
        """Lowering availability is no pro-active event (B-15)."""
        for after, before in UPWARDS:
            self.assertFalse(is_proactive(before, after), f"{before!r} {after!r}")

    def test_free_for_chat_to_online_is_not_proactive(self) -> None:
        """The sixth way down is online rendered anew, and no activity (X-4)."""
        self.assertFalse(is_proactive(FREE_FOR_CHAT, ONLINE))

    def test_saying_online_once_more_is_proactive(self) -> None:
        """A status that repeats online or free for chat is activity (B-16, X-4)."""
        self.assertTrue(is_proactive(ONLINE, ONLINE))
        self.assertTrue(is_proactive(FREE_FOR_CHAT, FREE_FOR_CHAT))

    def test_saying_less_once_more_is_not_proactive(self) -> None:
        """Repeating offline or unavailable shows nobody (B-16)."""
        self.assertFalse(is_proactive(OFFLINE, OFFLINE))
        self.assertFalse(is_proactive(UNAVAILABLE, UNAVAILABLE))

    @given(states, states)
    def test_lowering_never_is(self, before: Presence, after: Presence) -> None:
        """Whatever the states are, less availability is no activity (B-15)."""
        if AVAILABILITY[after] < AVAILABILITY[before]:
            self.assertFalse(is_proactive(before, after))

    @given(states, states)
    def test_raising_always_is(self, before: Presence, after: Presence) -> None:
        """Whatever the states are, more availability is activity (B-14)."""
        if AVAILABILITY[after] > AVAILABILITY[before]:
            self.assertTrue(is_proactive(before, after))
