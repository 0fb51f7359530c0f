"""Whatever clients send to the endpoints of accounts, the answer is a refusal."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_presence.homeserver.push_rules import KINDS
from tests.homeserver.accounts import AccountsTestCase

_TEXTS = st.text(max_size=8) | st.sampled_from(
    [
        "",
        "\0",
        "@alice:hs.test",
        "@bob:hs.test",
        "!r:hs.test",
        "a" * 300,
        "m.login.password",
        "m.login.dummy",
        "m.login.application_service",
        "m.id.user",
        "signed_curve25519:A",
        "secret",
        "PHONE",
        "*",
    ]
)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXTS
)
_KEYS = _TEXTS | st.sampled_from(
    """
    actions algorithm algorithms auth before conditions default device_id device_keys
    devices display_name displayname avatar_url enabled fallback_keys identifier
    ignored_users inhibit_login initial_device_display_name keys kind limit
    logout_devices messages new_password one_time_keys order password pattern
    refresh_token room search_term session set_tweak signatures tags token type
    unsigned user user_id username timeout
    """.split()
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)
_BODIES = _VALUES | st.dictionaries(_KEYS, _VALUES, max_size=6)
_PUT = """
    devices/{} profile/@alice:hs.test/displayname profile/{}/avatar_url
    profile/@alice:hs.test/avatar_url user/@alice:hs.test/account_data/{}
    user/@alice:hs.test/account_data/m.ignored_user_list
    user/@alice:hs.test/rooms/{}/account_data/m.tag
    user/@alice:hs.test/rooms/!r:hs.test/account_data/{}
    user/@alice:hs.test/rooms/!r:hs.test/tags/{} sendToDevice/{}/1
    sendToDevice/m.test/{} devices/PHONE
    pushrules/global/override/.m.rule.master/enabled
    pushrules/global/override/.m.rule.master/actions
""".split()
_POST = """
    login register register?kind=guest register?kind={} logout account/deactivate
    account/password delete_devices keys/upload keys/query keys/claim
    user/@alice:hs.test/filter user/{}/filter user_directory/search
""".split()
_GET = """
    register/available?username={} devices/{} profile/{} profile/{}/displayname
    user/@alice:hs.test/filter/{} user/@alice:hs.test/account_data/{}
    user/@alice:hs.test/rooms/{}/account_data/m.tag user/@alice:hs.test/rooms/{}/tags
    pushrules/global/{} pushrules/global/override/{} keys/changes?from={}&to=1
""".split()
_DELETE = """
    devices/{} devices/PHONE profile/{}/displayname pushrules/global/override/{}
    user/@alice:hs.test/rooms/{}/tags/a
""".split()


class HostileTests(AccountsTestCase):
    """Wrong types, ids and characters everywhere."""

    def setUp(self) -> None:
        """Alice, whom it all happens to."""
        super().setUp()
        self.register("alice", device_id="PHONE")

    def try_it(self, method: str, path: str, *body: Any) -> None:
        """Send this as Alice, and fail unless it is taken or refused."""
        if not self.accounts.exists("@alice:hs.test"):
            self.setUp()
        token = self.login("@alice:hs.test", device_id="PHONE")["access_token"]
        response = self.ask(method, path, *body, token=token)
        self.assertLess(response.status, 500, (path, body, response.body))
        self.assertEqual(response.headers["Content-Type"], "application/json")
        if response.status >= 400 and "flows" not in response.json:
            self.assertTrue(response.errcode.startswith("M_"))
            self.assertIsInstance(response.json["error"], str)

    @settings(max_examples=300)
    @given(st.sampled_from(_POST), _TEXTS, _BODIES)
    def test_no_post_is_a_fault(self, path: str, segment: str, body: Any) -> None:
        """Any JSON in any POST is taken or refused."""
        self.try_it("POST", path.format(quote(segment, safe="")), body)

    @settings(max_examples=300)
    @given(st.sampled_from(_PUT), _TEXTS, _BODIES)
    def test_no_put_is_a_fault(self, path: str, segment: str, body: Any) -> None:
        """Any JSON in any PUT is taken or refused."""
        self.try_it("PUT", path.format(quote(segment, safe="")), body)

    @given(st.sampled_from(KINDS) | _TEXTS, _TEXTS, _BODIES)
    def test_no_push_rule_is_a_fault(self, kind: str, rule: str, body: Any) -> None:
        """Any JSON as a push rule of any kind and name is taken or refused."""
        path = f"pushrules/global/{quote(kind, safe='')}/{quote(rule, safe='')}"
        self.try_it("PUT", path, body)

    @given(st.sampled_from(_GET), _TEXTS)
    def test_no_get_is_a_fault(self, path: str, segment: str) -> None:
        """Anything in the path of any GET is answered or refused."""
        self.try_it("GET", path.format(quote(segment, safe="")))

    @given(st.sampled_from(_DELETE), _TEXTS)
    def test_no_delete_is_a_fault(self, path: str, segment: str) -> None:
        """Anything in the path of any DELETE is answered or refused."""
        self.try_it("DELETE", path.format(quote(segment, safe="")))

    @given(_BODIES)
    def test_whatever_was_stored_can_be_read_again(self, body: Any) -> None:
        """A server that kept what it was sent starts again with it."""
        for path in _PUT:
            self.try_it("PUT", path.format("a"), body)
        self.start()
        events, by_room = self.accounts.sync_account_data("@alice:hs.test", None)
        self.assertIn("m.push_rules", {event["type"] for event in events})
        self.assertIsInstance(by_room, dict)
