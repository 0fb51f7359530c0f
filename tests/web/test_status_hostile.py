"""What nobody should send to the status endpoint, and what becomes of it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from matrix_presence.interfaces import UserRow
from matrix_presence.rows import row_of
from tests.base import TestCase
from tests.web.connection import Connection, Response
from tests.web.hostile import json_values, objects, segments, texts
from tests.web.rig import UNLIMITED, Rig, status_path

_BEFORE = {"presence": "unavailable", "status_msg": "before"}
_VERSIONS = st.sampled_from(["v3", "r0", "unstable", "api/v1"])


class HostileTests(TestCase):
    """Each answer is JSON, none is a fault of ours, and a refusal changes nothing.

    That no error is logged is seen to by the base class.
    """

    def setUp(self) -> None:
        """A user with a status, behind real HTTP."""
        self.rig = Rig(rc_presence=UNLIMITED)
        self.token = self.rig.user("a")

    def request(self, method: str, path: str, raw: bytes = b"") -> Response:
        """The response on a new connection, after the user has set a status."""
        connection = Connection(self.rig.router, self.rig.clock)
        if method == "PUT":
            path_of_a = status_path("@a:hs")
            set_up = connection.request("PUT", path_of_a, _BEFORE, token=self.token)
            self.assertEqual(set_up.status, 200)
        before = self.everything()
        response = connection.request(method, path, raw=raw, token=self.token)
        if response.status == 200:
            return response
        self.assertIn(response.status, (400, 403, 404, 413))
        self.assertLessEqual({"errcode", "error"}, set(response.json))
        self.assertEqual(self.everything(), before)
        return response

    def everything(self) -> tuple[list[UserRow], dict[str, UserRow], int]:
        """All that is known, all that is stored, and how many are known."""
        cache = self.rig.presence.service.cache
        rows = [row_of(cache, user) for user in range(len(cache.users))]
        return rows, dict(self.rig.presence.store.users), len(cache.users)

    @given(
        st.binary()
        | json_values.map(lambda value: json.dumps(value).encode())
        | json_values.map(lambda value: json.dumps(value).encode("utf-16")),
        _VERSIONS,
    )
    @example(b"[" * 100_000, "v3")
    @example(b'{"a":' * 50_000, "v3")
    @example(b'{"presence":1e999}', "v3")
    @example(b'{"presence":' + b"9" * 5000 + b"}", "v3")
    @example(b"\xef\xbb\xbf{}", "v3")
    def test_any_body_is_refused(self, body: bytes, version: str) -> None:
        """A body that states no presence is 400, whatever it is (A-8, A-23)."""
        response = self.request("PUT", status_path("@a:hs", version), body)
        self.assertEqual(response.status, 400)
        self.assertIn(response.errcode, ("M_NOT_JSON", "M_BAD_JSON"))

    @given(
        objects(
            presence=st.sampled_from(
                ["online", "offline", "unavailable", "org.matrix.msc3026.busy"]
            ),
            status_msg=texts | st.text(min_size=900, max_size=1100),
        )
    )
    @example({"presence": "online", "status_msg": "\ud800"})
    @example({"presence": "online", "status_msg": "a\0b"})
    @example({"presence": "online", "status_msg": "\U0001f9c1" * 257})
    @example({"presence": "online", "\ud800": "x"})
    def test_any_object_is_taken_whole_or_not_at_all(
        self, body: dict[str, Any]
    ) -> None:
        """What is answered 200 is what is known then, and stored; else it is as it was
        (A-21, A-23, A-26)."""
        raw = json.dumps(body).encode()
        response = self.request("PUT", status_path("@a:hs"), raw)
        if response.status == 200:
            self.assertEqual(response.json, {})
            stored = self.rig.presence.store.users["@a:hs"]
            self.assertEqual(stored.presence, body["presence"])
            self.assertEqual(stored.status_msg, body.get("status_msg") or None)

    @given(segments, st.sampled_from(["GET", "PUT"]), _VERSIONS)
    def test_any_user_id_is_answered(
        self, segment: str, method: str, version: str
    ) -> None:
        """Whatever stands where a user id belongs, nobody else's status is set or
        shown (A-8, A-20, A-23, A-44)."""
        path = f"/_matrix/client/{version}/presence/{segment}/status"
        response = self.request(method, path, b'{"presence":"online"}')
        if response.status == 200:
            self.assertIn(segment, ("@a:hs", "%40a%3Ahs", "@a%3Ahs"))
        else:
            self.assertIn(response.status, (400, 403))

    @given(st.binary(max_size=40))
    def test_any_token_is_answered(self, token: bytes) -> None:
        """No bytes in place of a token are a fault of ours (A-11)."""
        token = token.translate(None, b"\r\n\0")
        connection = Connection(self.rig.router, self.rig.clock)
        connection.send(
            b"GET /_matrix/client/v3/presence/@a:hs/status HTTP/1.1\r\n"
            b"Host: hs\r\nAuthorization: Bearer " + token + b"\r\n\r\n"
        )
        (response,) = connection.responses()
        self.assertEqual(response.status, 401)

    def test_user_id_with_a_slash_is_one_segment(self) -> None:
        """`%2F` belongs to the user id, not to the path (A-1, A-23)."""
        token = self.rig.homeserver.add_user("@a/b:hs")
        connection = Connection(self.rig.router, self.rig.clock)
        path = "/_matrix/client/v3/presence/@a%2Fb:hs/status"
        for method in ("PUT", "GET"):
            body = {"presence": "online"}
            response = connection.request(method, path, body, token=token)
            self.assertEqual(response.status, 200)

    def test_longest_user_id(self) -> None:
        """255 bytes are a user id, 256 are none (A-23)."""
        longest = f"@{'a' * 251}:hs"
        token = self.rig.homeserver.add_user(longest)
        connection = Connection(self.rig.router, self.rig.clock)
        response = connection.request("GET", status_path(longest), token=token)
        self.assertEqual(response.status, 200)
        too_long = status_path("@a" + longest[1:])
        response = connection.request("GET", too_long, token=token)
        self.assertEqual((response.status, response.errcode), (400, "M_INVALID_PARAM"))

    def test_huge_body_is_too_large(self) -> None:
        """A body over the limit of the site is 413 M_TOO_LARGE (A-8, A-26)."""
        body = b'{"presence":"online","status_msg":"' + b"x" * 2_000_000 + b'"}'
        response = self.request("PUT", status_path("@a:hs"), body)
        self.assertEqual((response.status, response.errcode), (413, "M_TOO_LARGE"))
