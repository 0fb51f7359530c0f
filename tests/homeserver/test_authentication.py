"""Tests of matrix_presence.homeserver.authentication, appservices and passwords."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred

from matrix_presence.homeserver.appservices import parse_registration
from matrix_presence.homeserver.passwords import Passwords
from tests.base import TestCase
from tests.homeserver.accounts import CHEAP, AccountsTestCase
from tests.web.connection import Response

WHOAMI = "/_matrix/client/v3/account/whoami"


class TokenTests(AccountsTestCase):
    """Where the token is, and what is none."""

    def setUp(self) -> None:
        """Alice."""
        super().setUp()
        self.token = self.register("alice")["access_token"]

    def whoami(self, header: str = "", query: str = "") -> Response:
        """The response to a request with this header line and query."""
        line = f"Authorization: {header}\r\n" if header else ""
        self.connection.send(f"GET {WHOAMI}{query} HTTP/1.1\r\n{line}\r\n".encode())
        (response,) = self.connection.responses()
        return response

    def test_token_is_in_the_header_or_the_query(self) -> None:
        """`Bearer` in any case, or `access_token` (A-9, A-10)."""
        for header in (f"Bearer {self.token}", f"bearer {self.token}"):
            self.assertEqual(self.whoami(header).status, 200)
        self.assertEqual(self.whoami(query=f"?access_token={self.token}").status, 200)

    def test_header_counts_before_the_query(self) -> None:
        """Both at once: the header is taken."""
        response = self.whoami("Bearer wrong", f"?access_token={self.token}")
        self.assert_refused(response, 401, "M_UNKNOWN_TOKEN")

    def test_missing_token(self) -> None:
        """None at all, or another scheme: M_MISSING_TOKEN (A-11)."""
        for header in ("", "Basic abc", "Bearer"):
            self.assert_refused(self.whoami(header), 401, "M_MISSING_TOKEN")

    def test_unknown_token(self) -> None:
        """Anything else is M_UNKNOWN_TOKEN (A-11)."""
        for header in ("Bearer x", f"Bearer {self.token}x", "Bearer \xff"):
            self.assert_refused(self.whoami(header), 401, "M_UNKNOWN_TOKEN")
        response = self.whoami(query="?access_token=%FF")
        self.assert_refused(response, 400, "M_INVALID_PARAM")

    def test_token_survives_a_restart_but_is_not_stored(self) -> None:
        """Only its hash is in the database."""
        self.start()
        self.assertEqual(self.whoami(f"Bearer {self.token}").status, 200)

        def dump(cursor: Any) -> str:
            cursor.execute("SELECT * FROM account_devices")
            return repr([tuple(row) for row in cursor.fetchall()])

        stored = self.successResultOf(self.database.run(dump))
        self.assertIn("@alice:hs.test", stored)
        self.assertNotIn(self.token, stored)


class StrictTokenTests(AccountsTestCase):
    """A server that takes no tokens in the query of v3 paths."""

    query_tokens_on_v3 = False

    def test_token_in_the_query_does_not_count(self) -> None:
        """The header is insisted on (A-10)."""
        token = self.register("alice")["access_token"]
        response = self.ask("GET", f"account/whoami?access_token={token}")
        self.assert_refused(response, 401, "M_MISSING_TOKEN")


class AppserviceTests(AccountsTestCase):
    """Requests of an application service (A-12)."""

    appservices = (
        parse_registration(
            {
                "id": "bridge",
                "as_token": "as-secret",
                "sender_localpart": "bridge",
                "namespaces": {"users": [{"regex": "@irc_.*:hs\\.test"}]},
            }
        ),
    )

    def setUp(self) -> None:
        """A ghost with a device, and Alice."""
        super().setUp()
        self.register("irc_bob", device_id="GHOST")
        self.register("alice")

    def whoami(self, query: str) -> Response:
        """The response to a request of the application service."""
        return self.connection.request("GET", WHOAMI + query, token="as-secret")

    def test_by_itself_it_is_its_sender(self) -> None:
        """Without `user_id` the user of the registration asks; it has an account."""
        self.assertEqual(self.whoami("").json["user_id"], "@bridge:hs.test")
        self.assertTrue(self.accounts.exists("@bridge:hs.test"))
        self.start()
        response = self.whoami("?user_id=@bridge:hs.test")
        self.assertEqual(response.json["user_id"], "@bridge:hs.test")

    def test_it_may_act_as_its_users(self) -> None:
        """`user_id` names one of the namespace, `device_id` a device of theirs."""
        response = self.whoami("?user_id=%40irc_bob:hs.test&device_id=GHOST")
        self.assertEqual(
            response.json,
            {"user_id": "@irc_bob:hs.test", "device_id": "GHOST", "is_guest": False},
        )

    def test_it_may_not_act_as_others(self) -> None:
        """Users outside the namespace and unregistered ones are M_FORBIDDEN."""
        for user_id in ("@alice:hs.test", "@irc_eve:hs.test", "", "x"):
            response = self.whoami(f"?user_id={user_id}")
            self.assert_refused(response, 403, "M_FORBIDDEN")

    def test_unknown_device_is_refused(self) -> None:
        """A device that the user does not have is M_UNKNOWN_DEVICE."""
        for query in ("?user_id=@irc_bob:hs.test&device_id=X", "?device_id=GHOST"):
            self.assert_refused(self.whoami(query), 400, "M_UNKNOWN_DEVICE")

    def test_others_do_not_become_somebody_else(self) -> None:
        """`user_id` means nothing with a user's token."""
        token = self.login("alice")["access_token"]
        path = f"{WHOAMI}?user_id=@irc_bob:hs.test"
        response = self.connection.request("GET", path, token=token)
        self.assertEqual(response.json["user_id"], "@alice:hs.test")


class RegistrationTests(TestCase):
    """Registration files."""

    def test_faults_are_sentences(self) -> None:
        """What is missing or mistyped is a ValueError that says so."""
        good = {"id": "a", "as_token": "b", "sender_localpart": "c"}
        self.assertEqual(parse_registration(good).id, "a")
        bad: Any
        for bad in (
            {"id": 7},
            {"as_token": ""},
            {"sender_localpart": None},
            {"namespaces": [1]},
            {"namespaces": {"users": {}}},
            {"namespaces": {"users": [{}]}},
            {"namespaces": {"users": [{"regex": "("}]}},
        ):
            with self.assertRaises(ValueError, msg=str(bad)):
                parse_registration({**good, **bad})

    def test_token_is_not_shown(self) -> None:
        """The representation, which ends up in logs, has no token in it."""
        registration = {"id": "a", "as_token": "hidden", "sender_localpart": "c"}
        self.assertNotIn("hidden", repr(parse_registration(registration)))


class PasswordTests(TestCase):
    """Hashing."""

    def test_hash_fits_its_password_only(self) -> None:
        """Two hashes of a password differ, both fit it, and no other does."""
        passwords = Passwords(maybeDeferred, CHEAP)

        async def check() -> None:
            one, two = await passwords.hashed("é"), await passwords.hashed("é")
            self.assertNotEqual(one, two)
            for password_hash in (one, two):
                self.assertTrue(await passwords.fits("é", password_hash))
                self.assertFalse(await passwords.fits("e", password_hash))
            self.assertFalse(await passwords.fits("é", None))

        self.successResultOf(Deferred.fromCoroutine(check()))

    def test_work_is_handed_to_the_runner_two_at_a_time(self) -> None:
        """Nothing is hashed by the caller, nor more than two at once."""
        waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []

        def run(work: Callable[[], Any]) -> Deferred[Any]:
            waiting.append((work, Deferred()))
            return waiting[-1][1]

        passwords = Passwords(run, CHEAP)
        hashes = [Deferred.fromCoroutine(passwords.hashed("a")) for _ in range(3)]
        self.assertEqual(len(waiting), 2)
        self.assertNoResult(hashes[0])
        for work, done in waiting:
            done.callback(work())
        self.assertEqual(len(waiting), 3)
        self.assertTrue(self.successResultOf(hashes[0]).startswith("scrypt$2$1$1$"))
