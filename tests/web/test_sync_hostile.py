"""What nobody should send to a `/sync`, and what becomes of it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.base import TestCase
from tests.web.connection import Connection, Response
from tests.web.hostile import escaped, json_values, objects, texts
from tests.web.rig import UNLIMITED, Rig

_TYPES = st.lists(st.sampled_from(["m.presence", "m.*", "*", "?", "[", "**"]) | texts)
_SENDERS = st.lists(st.sampled_from(["@a:hs", "@b:hs"]) | texts)
_PATHS = st.text("\\.*a", max_size=9) | st.sampled_from(
    ["content", "content.presence", "sender", "type.x", "content.presence.x", ""]
)

_FILTERS = objects(
    presence=objects(
        types=_TYPES,
        not_types=_TYPES,
        senders=_SENDERS,
        not_senders=_SENDERS,
        limit=st.integers(),
    ),
    event_fields=st.lists(_PATHS),
)


class HostileTests(TestCase):
    """Each answer is JSON, and none is a fault of ours.

    That no error is logged is seen to by the base class.
    """

    def setUp(self) -> None:
        """A user who sees another one."""
        self.rig = Rig(rc_presence=UNLIMITED)
        self.token = self.rig.user("a")
        self.rig.presence.room("!r:hs", "@a:hs", "@b:hs")
        self.rig.presence.set_status("@b:hs", "online", "hi")
        self.rig.advance(1)

    def sync(self, query: str) -> Response:
        """The response to a sync with this query, which ends the poll if it waits."""
        connection = Connection(self.rig.router, self.rig.clock)
        path = f"/_matrix/client/v3/sync?set_presence=offline&{query}"
        connection.start("GET", path, token=self.token)
        responses = connection.responses()
        if not responses:
            connection.hang_up()
            self.assertEqual(len(self.rig.presence.service.waiting), 0)
            return Response(200, {}, b'{"presence":{"events":[]}}')
        (response,) = responses
        if response.status != 200:
            self.assertEqual(response.status, 400)
            self.assertLessEqual({"errcode", "error"}, set(response.json))
        return response

    @given(_FILTERS, st.booleans())
    @example({"presence": {"types": ["*a" * 10_000 + "b"]}}, True)
    @example({"presence": {"types": ["*" * 10_000 + "x"]}}, False)
    @example({"event_fields": [".".join("a" * 1000)]}, False)
    def test_any_filter_is_answered(
        self, filter_json: dict[str, Any], full_state: bool
    ) -> None:
        """A filter leaves out events and keys, or is refused; it adds nothing (A-91,
        A-92, A-93)."""
        query = "filter=" + escaped(json.dumps(filter_json).encode())
        response = self.sync(query + ("&full_state=true" if full_state else ""))
        if response.status == 200:
            (whole,) = self.sync("").json["presence"]["events"]
            for event in response.json["presence"]["events"]:
                self.assertLessEqual(set(event), set(whole))
                content = event.get("content", {})
                self.assertLessEqual(content.items(), whole["content"].items())

    @given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
    @example(b"[" * 10_000)
    def test_any_text_in_place_of_a_filter_is_answered(self, raw: bytes) -> None:
        """What is no filter is 400 (A-91)."""
        self.sync("filter=" + escaped(raw))

    @given(_FILTERS)
    def test_any_filter_waits(self, filter_json: dict[str, Any]) -> None:
        """A filter that is taken can be waited with, and the poll ends (A-90)."""
        position = self.rig.presence.view.position()
        filter_text = escaped(json.dumps(filter_json).encode())
        self.sync(f"since={position}&timeout=30000&filter={filter_text}")

    @given(st.binary(max_size=20))
    def test_any_set_presence_is_answered(self, raw: bytes) -> None:
        """A value that is none of the states is 400 M_INVALID_PARAM (A-81)."""
        connection = Connection(self.rig.router, self.rig.clock)
        response = connection.request(
            "GET",
            f"/_matrix/client/v3/sync?set_presence={escaped(raw)}",
            token=self.token,
        )
        self.assertEqual((response.status, response.errcode), (400, "M_INVALID_PARAM"))

    @given(st.integers(-(2**70), 2**70) | st.integers(-5, 5))
    def test_any_position_is_answered(self, since: int) -> None:
        """A position that was never handed out shows nobody who is not to be seen, and
        the token that comes with it is a good one (A-87)."""
        self.rig.presence.set_status("@stranger:hs", "online")
        for full_state in (False, True):
            events, position = self.rig.presence.sync.part(
                "@a:hs", since, full_state=full_state
            )
            senders = {event["sender"] for event in events}
            self.assertLessEqual(senders, {"@a:hs", "@b:hs"})
            self.assertEqual(position, self.rig.presence.view.position())
