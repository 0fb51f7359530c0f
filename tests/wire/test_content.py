"""The content of a status and of an `m.presence` event."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.rules.profiles import NO_PROFILE, Profile
from matrix_presence.rules.states import NAMES, Presence
from matrix_presence.wire.content import (
    MODERN,
    OLD,
    OLD_WITH_THREE_STATES,
    STATE_KEY,
    era_of,
    event,
    old_event,
    status_content,
    with_profile,
)
from tests.base import TestCase

_STATES = st.sampled_from(list(Presence))


class StatusContentTests(TestCase):
    """What a status says."""

    def test_names(self) -> None:
        """Each state has its modern name; free for chat is a kind of online (A-41,
        A-47)."""
        names = [
            status_content(state, None, None, False)["presence"] for state in Presence
        ]
        self.assertEqual(
            names,
            ["offline", "unavailable", "online", "online", "org.matrix.msc3026.busy"],
        )

    def test_what_is_not_known_is_left_out(self) -> None:
        """No key has the value null or an empty message (A-41)."""
        for status_msg in (None, ""):
            content = status_content(Presence.OFFLINE, status_msg, None, False)
            self.assertEqual(content, {"presence": "offline"})

    @given(_STATES, st.none() | st.text(), st.none() | st.integers(), st.booleans())
    def test_types(
        self, state: int, status_msg: str | None, ago: int | None, active: bool
    ) -> None:
        """The keys have their types, and none is there without a value (A-41)."""
        content = status_content(state, status_msg, ago, active)
        for key, kind in (
            ("presence", str),
            ("status_msg", str),
            ("last_active_ago", int),
            ("currently_active", bool),
            (STATE_KEY, str),
        ):
            if key in content:
                self.assertIs(type(content.pop(key)), kind)
        self.assertEqual(content, {})

    @given(st.integers())
    def test_time_is_within_bounds(self, ago: int) -> None:
        """`last_active_ago` is never negative nor more than JSON can carry (A-111)."""
        content = status_content(Presence.ONLINE, None, ago, True)
        told = content["last_active_ago"]
        self.assertEqual(told, sorted((0, ago, 2**53 - 1))[1])

    def test_zero_is_a_time(self) -> None:
        """Somebody active this very moment has a `last_active_ago` of 0 (A-111)."""
        content = status_content(Presence.ONLINE, None, 0, True)
        self.assertEqual(content["last_active_ago"], 0)

    def test_currently_active_goes_with_online(self) -> None:
        """`currently_active` is there, true or false, for online and free for chat
        (A-112, X-6)."""
        for state in Presence:
            for active in (True, False):
                content = status_content(state, None, None, active)
                if state in (Presence.ONLINE, Presence.FREE_FOR_CHAT):
                    self.assertIs(content["currently_active"], active)
                else:
                    self.assertNotIn("currently_active", content)


class EraTests(TestCase):
    """Modern clients and old ones."""

    def test_each_version_has_its_era(self) -> None:
        """v3 is modern and the others are old; r0 has a switch (X-1)."""
        self.assertIs(era_of("v3"), MODERN)
        for version in ("r0", "api/v1", "unstable"):
            self.assertIs(era_of(version), OLD)
        self.assertIs(era_of("r0", raw_on_r0=False), OLD_WITH_THREE_STATES)
        self.assertIs(era_of("unstable", raw_on_r0=False), OLD)

    def test_old_clients_are_told_every_state_as_it_is(self) -> None:
        """No state is replaced by another, and no key says it once more (X-1)."""
        for state in Presence:
            content = status_content(state, None, None, True, OLD)
            self.assertEqual(content["presence"], NAMES[state])
            self.assertNotIn(STATE_KEY, content)

    def test_those_who_know_three_states_lose_nothing(self) -> None:
        """Free for chat is online to them, and a key of our own says more (X-1)."""
        for era in (MODERN, OLD_WITH_THREE_STATES):
            content = status_content(Presence.FREE_FOR_CHAT, None, None, True, era)
            self.assertEqual(content["presence"], "online")
            self.assertEqual(content[STATE_KEY], "free_for_chat")
            content = status_content(Presence.ONLINE, None, None, True, era)
            self.assertNotIn(STATE_KEY, content)


class EventTests(TestCase):
    """The event around the content."""

    def test_old_shape(self) -> None:
        """The user is in the content too, beside the sender (A-102, A-110)."""
        self.assertEqual(
            old_event("@a:hs", {"presence": "online"}),
            {
                "type": "m.presence",
                "sender": "@a:hs",
                "content": {"presence": "online", "user_id": "@a:hs"},
            },
        )

    def test_shape(self) -> None:
        """Type, sender and content, no id and no room (A-85)."""
        content = {"presence": "online"}
        self.assertEqual(
            event("@a:hs", content),
            {"type": "m.presence", "sender": "@a:hs", "content": content},
        )

    def test_profile(self) -> None:
        """What is set of a profile is carried, what is not is left out (A-113, D-3)."""
        for profile, expected in (
            (NO_PROFILE, {}),
            (Profile("A", None), {"displayname": "A"}),
            (Profile(None, "mxc://hs/a"), {"avatar_url": "mxc://hs/a"}),
            (
                Profile("A", "mxc://hs/a"),
                {"displayname": "A", "avatar_url": "mxc://hs/a"},
            ),
        ):
            self.assertEqual(with_profile({}, profile), expected)
