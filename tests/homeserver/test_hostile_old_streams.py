"""Anything sent to the streams of r0.1.0 gets an answer of ours."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.homeserver.old_client import (
    VERSIONS,
    OldClientTestCase,
    bodies,
)


class HostileTests(OldClientTestCase):
    """Nothing that a client sends makes the streams fail."""

    def setUp(self) -> None:
        """A room that can be looked into."""
        super().setUp()
        self.open = self.open_room(self.alice)

    @settings(max_examples=150)
    @given(
        st.sampled_from(
            (
                "events",
                "events/X",
                "initialSync",
                "rooms/X/initialSync",
                "rooms/O/initialSync",
            )
        ),
        st.dictionaries(
            st.sampled_from(("from", "limit", "archived", "room_id", "to", "dir")),
            st.text(max_size=12)
            | st.sampled_from(("s1_1_1_1", "s" + "_".join(["9" * 18] * 4), "0", "-1")),
        ),
        st.sampled_from(VERSIONS),
        st.text(max_size=8),
    )
    def test_any_query_is_answered(
        self, path: str, query: dict[str, str], version: str, odd: str
    ) -> None:
        """No query and no path is answered with a failure of ours."""
        self.version = version
        odd = quote(odd.encode("utf-8", "replace"), safe="")
        path = path.replace("X", odd).replace("O", quote(self.open))
        query = {
            name: value.encode("utf-8", "replace").decode()
            for name, value in query.items()
        }
        response = self.old(self.bob, path, timeout=0, **query)
        self.assertLess(response.status, 500, response.body)

    def test_bytes_that_are_no_text_are_refused(self) -> None:
        """Queries that are not UTF-8 are refused as such."""
        for name in ("from", "timeout", "limit", "room_id"):
            target = self.target(self.bob, "events") + f"&{name}=%ff"
            response = self.connection.request("GET", target)
            self.assertRefused(response, 400, "M_INVALID_PARAM")

    def test_tokens_of_the_far_future_do_no_harm(self) -> None:
        """A token that we never gave out is answered, and the next one is ours."""
        far = "s" + "_".join(["9" * 18] * 4)
        end = self.events(self.bob, far)["end"]
        self.say(self.alice, "x")
        self.assertEqual(bodies(self.events(self.bob, end)["chunk"]), ["x"])

    def test_without_a_token_there_is_nothing(self) -> None:
        """Each of them asks who is there (A-11)."""
        for path in ("events", "initialSync", "events/x", "rooms/x/initialSync"):
            response = self.connection.request("GET", f"/_matrix/client/r0/{path}")
            self.assertRefused(response, 401, "M_MISSING_TOKEN")
