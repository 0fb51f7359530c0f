"""Presence lists on the wire."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.errors import BadJson
from matrix_presence.wire.lists import (
    ACCEPT,
    DENY,
    INVITE,
    MOST_POLLED,
    Letter,
    ListUpdate,
    is_about_lists,
    list_edu,
    listed,
    parse_letter,
    parse_list_update,
    poll_edu,
    polled,
)
from tests.base import TestCase

ALICE, BOB = "@alice:here", "@bob:there"

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([ALICE, BOB, "", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["observer_user", "observed_user", "poll", "unpoll", "push"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


class RequestTests(TestCase):
    """The body of a `POST`."""

    def test_each_user_once_in_order(self) -> None:
        """Empty texts and repetitions are passed over (A-66)."""
        body = {"invite": [BOB, "", ALICE, BOB], "deny": [BOB], "other": 1}
        expected = ListUpdate(invite=(BOB, ALICE), drop=(), accept=(), deny=(BOB,))
        self.assertEqual(parse_list_update(body), expected)

    @given(st.dictionaries(st.sampled_from(ListUpdate._fields), anything))
    def test_it_is_taken_or_refused(self, body) -> None:
        """Whatever it holds, nothing but user ids comes out (A-66)."""
        try:
            update = parse_list_update(body)
        except BadJson:
            return
        self.assertLessEqual({one for some in update for one in some}, {ALICE, BOB})


class EduTests(TestCase):
    """Invites, replies and polls."""

    def test_who_may_say_what(self) -> None:
        """The observer's server invites, the observed user's replies (C-26)."""
        for edu_type, author in ((INVITE, "here"), (ACCEPT, "there"), (DENY, "there")):
            edu = list_edu(edu_type, ALICE, BOB)
            for origin in ("here", "there", "elsewhere"):
                expected = Letter(edu_type, ALICE, BOB) if origin == author else None
                self.assertEqual(parse_letter(edu, origin), expected)

    def test_polls_are_cut_to_their_limit(self) -> None:
        """So many users of one EDU are looked at (C-30)."""
        users = [f"@{number}:here" for number in range(MOST_POLLED + 1)]
        self.assertEqual(polled(poll_edu("poll", users), "poll"), users[:-1])
        self.assertEqual(polled(poll_edu("poll", users), "unpoll"), [])

    @given(
        anything
        | st.fixed_dictionaries({"edu_type": st.just(INVITE), "content": anything})
        | st.fixed_dictionaries(
            {"edu_type": st.just("m.presence"), "content": anything}
        )
    )
    def test_anything_can_be_read(self, edu) -> None:
        """Whatever comes, nothing raises (C-4)."""
        letter = parse_letter(edu, "here")
        self.assertIn(letter and letter.observer_id, (None, ALICE))
        if not is_about_lists(edu):
            self.assertEqual((letter, polled(edu, "poll")), (None, []))
        for key in ("poll", "unpoll"):
            self.assertLessEqual(set(polled(edu, key)), {ALICE, BOB})


class ElementTests(TestCase):
    """An entry as a client reads it."""

    def test_it_is_an_event_and_flat_at_once(self) -> None:
        """The content is there, and beside it (A-63)."""
        content = {"presence": "online", "user_id": BOB}
        event = {"type": "m.presence", "sender": BOB, "content": content}
        expected = {**event, **content, "accepted": True}
        self.assertEqual(listed(event), expected)
