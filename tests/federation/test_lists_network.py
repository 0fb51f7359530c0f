"""Presence lists between servers that lose each other again and again."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_presence.rules.lists import Entry
from matrix_presence.testing import MemoryNetwork, MemoryPresence
from tests.base import TestCase
from tests.federation.rig import PLAIN, advance
from tests.federation.test_lists import change

OBSERVERS, OBSERVED = ("@a:one", "@b:one"), ("@c:two", "@d:two")

events = st.one_of(
    st.tuples(
        st.sampled_from(["invite", "invite", "drop", "accept", "accept", "deny"]),
        st.sampled_from(OBSERVERS),
        st.sampled_from(OBSERVED),
    ),
    st.tuples(st.just("cut")),
    st.tuples(st.just("heal")),
    st.tuples(st.just("delay"), st.sampled_from([0.0, 0.3, 8.0])),
    st.tuples(st.just("pass"), st.sampled_from([0.1, 3.0, 30.0])),
)


class Two:
    """Observers on one server, observed users on the other."""

    def __init__(self) -> None:
        self.network = MemoryNetwork()
        options = PLAIN | {"presence_list_policy": "never"}
        self.one = self.network.server("one", **options)
        self.two = self.network.server("two", **options)
        for server, users in ((self.one, OBSERVERS), (self.two, OBSERVED)):
            for user_id in users:
                server.homeserver.add_user(user_id)

    def do(self, what: str, *how: Any) -> None:
        """One event."""
        network = self.network
        match what:
            case "invite" | "drop":
                change(self.one, how[0], **{what: [how[1]]})
            case "accept" | "deny":
                change(self.two, how[1], **{what: [how[0]]})
            case "cut":
                network.cut("one", "two")
            case "heal":
                network.heal()
            case "delay":
                (network.delay,) = how
            case _:
                advance(network.clock, *how)

    def entry(self, server: MemoryPresence, observer: str, observed: str) -> Entry:
        """What this server takes the two for."""
        cache = server.handler.cache
        return cache.lists.entry(
            cache.users.intern(observer), cache.users.intern(observed)
        )


class ConvergenceTests(TestCase):
    """What is true when everything has arrived."""

    @settings(max_examples=40)
    @given(st.lists(events, max_size=25))
    def test_nobody_sees_without_consent(self, steps) -> None:
        """Whatever happens on the way, in the end an observer sees exactly whom they
        have on their list with consent, and both servers agree on it
        (A-72, C-24, C-27, C-28)."""
        two = Two()
        for step in steps:
            two.do(*step)
        two.do("heal")
        advance(two.network.clock, 3 * 3600, 20)
        for observer in OBSERVERS:
            for observed in OBSERVED:
                ours = two.entry(two.one, observer, observed)
                theirs = two.entry(two.two, observer, observed)
                if ours is Entry.NONE:
                    # They may believe it lasts while another observer stays.
                    continue
                self.assertIs(ours, theirs, (steps, observer, observed))
