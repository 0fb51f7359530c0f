"""Where people come from, and how they go."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import orjson
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.web.iweb import IBodyProducer

from matrix_presence.check.accounts import Given, Registered
from matrix_presence.check.conversation import Conversation
from matrix_presence.check.person import Account
from matrix_presence.check.target import Target
from matrix_presence.check.verdicts import CannotRun, Skipped
from tests.base import TestCase
from tests.check.rig import CheckTestCase
from tests.check.targets import Answer, ScriptedAgent, always

MADE = {"user_id": "@x:hs", "access_token": "t1", "device_id": "D"}


class Recording(ScriptedAgent):
    """Keeps what is sent, too."""

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Any = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Any:
        """Like any agent."""
        body: Any = bodyProducer
        self.sent: Any = None if body is None else orjson.loads(body._body)
        return super().request(method, uri, headers, bodyProducer)


class AccountsTestCase(TestCase):
    """A source of accounts and a target that is made up."""

    def conversation(self, answers: Callable[[str, str], Any]) -> Conversation:
        """One with a target that answers this."""
        self.clock = Clock()
        self.agent = Recording(answers)
        return Conversation(Target(self.agent, "http://hs", self.clock), set())


class RegisteredTests(AccountsTestCase):
    """`--register` and `--shared-secret`."""

    def account(self, source: Registered, *answers: Answer) -> Deferred[Account]:
        """What comes of asking for an account."""
        left = list(answers)
        conversation = self.conversation(lambda method, path: left.pop(0))
        return Deferred.fromCoroutine(source.account(conversation, "a"))

    def test_registration_that_wants_a_session(self) -> None:
        """A first refusal with a session is answered with it."""
        wants = Answer(401, {"session": "s1", "flows": []})
        account = self.successResultOf(
            self.account(Registered(), wants, Answer(200, MADE))
        )
        self.assertEqual(("@x:hs", "t1", "D"), (
            account.user_id, account.token, account.device_id,
        ))  # fmt: skip
        self.assertEqual(
            {"type": "m.login.dummy", "session": "s1"}, self.agent.sent["auth"]
        )

    def test_registration_that_is_closed(self) -> None:
        """Is said, with what can be done instead."""
        closed = Answer(403, {"errcode": "M_FORBIDDEN", "error": "closed"})
        failure = self.failureResultOf(self.account(Registered(), closed), CannotRun)
        self.assertEqual(
            "nobody can register: status 403 M_FORBIDDEN; give --shared-secret, or "
            "--token three times",
            str(failure.value),
        )

    def test_an_answer_without_a_token(self) -> None:
        """Is no account."""
        odd = Answer(200, {"user_id": 5})
        failure = self.failureResultOf(self.account(Registered(), odd), CannotRun)
        self.assertIn("without user_id or access_token", str(failure.value))

    def test_shared_secret(self) -> None:
        """The code is made of the nonce, the name, the password and the role."""
        nonce = Answer(200, {"nonce": "n1"})
        source = Registered("the secret")
        self.successResultOf(self.account(source, nonce, Answer(200, MADE)))
        sent = self.agent.sent
        said = "\0".join(("n1", sent["username"], sent["password"], "notadmin"))
        mac = hmac.new(b"the secret", said.encode(), hashlib.sha1).hexdigest()
        self.assertEqual(mac, sent["mac"])

    def test_shared_secret_that_is_wrong(self) -> None:
        """Or a server that has none: each is said."""
        nonce = Answer(200, {"nonce": "n1"})
        wrong = Answer(403, {"errcode": "M_UNKNOWN"})
        none = Answer(404, {"errcode": "M_UNRECOGNIZED"})
        for answers in ((nonce, wrong), (none,)):
            failure = self.failureResultOf(
                self.account(Registered("x"), *answers), CannotRun
            )
            self.assertIn("the shared secret makes no account", str(failure.value))

    def test_limits_are_waited_for(self) -> None:
        """As long as the target says, by header or in the body."""
        for limit in (
            Answer(429, {"errcode": "M_LIMIT_EXCEEDED"}, retry_after="7"),
            Answer(429, {"retry_after_ms": 6950}),
        ):
            account = self.account(Registered(), limit, Answer(200, MADE))
            self.clock.advance(6.9)
            self.assertNoResult(account)
            self.clock.advance(0.2)
            self.successResultOf(account)

    def test_a_limit_that_is_too_long_is_not_waited_for(self) -> None:
        """Hours are no use."""
        limit = Answer(429, {"retry_after_ms": 3_600_000})
        failure = self.failureResultOf(self.account(Registered(), limit), Skipped)
        self.assertIn("asks to wait 1h", str(failure.value))


class GivenTests(AccountsTestCase):
    """`--token`."""

    def test_tokens_are_taken_in_order_and_left_alone(self) -> None:
        """Their users are asked for, and nothing is undone."""
        who = Answer(200, {"user_id": "@x:hs", "device_id": "D"})
        conversation = self.conversation(lambda method, path: who)
        source = Given(["t1", "t2"])
        taken = Deferred.fromCoroutine(source.account(conversation, "a"))
        account = self.successResultOf(taken)
        self.assertEqual(("@x:hs", "t1"), (account.user_id, account.token))
        self.assertIsNone(account.password)
        self.assertEqual(1, source.limit)
        asked = len(self.agent.asked)
        returned = Deferred.fromCoroutine(source.give_back(conversation, account))
        self.successResultOf(returned)
        self.assertEqual(asked, len(self.agent.asked))
        self.assertIn("t1", conversation.secrets)

    def test_a_third_who_is_no_stranger(self) -> None:
        """C may share no room with A or B; who shares one in another cast may be."""
        rooms = {"ann": ["!x"], "ben": ["!y"], "cat": ["!z", "!y"], "dan": []}

        def answers(method: str, path: str) -> Answer:
            if path.endswith("joined_rooms"):
                return Answer(200, {"joined_rooms": rooms[names.pop(0)]})
            return Answer(200, {"user_id": "@x:hs"})

        for names, is_stranger in (
            (["ann", "ben", "cat"], False),
            (["ann", "ben", "dan"], True),
            (["ben", "dan", "dan", "ann", "dan", "ben"], True),
        ):
            conversation = self.conversation(answers)
            source = Given(list(names))
            for part in ("abc" * 2)[: len(names)]:
                taking = Deferred.fromCoroutine(source.account(conversation, part))
                if part == "c" and not is_stranger:
                    failure = self.failureResultOf(taking, CannotRun)
                    self.assertIn("has to be a stranger", str(failure.value))
                else:
                    self.successResultOf(taking)

    def test_tokens_that_are_of_no_use(self) -> None:
        """Unknown ones, those of guests, and too few: each is said."""
        unknown = Answer(401, {"errcode": "M_UNKNOWN_TOKEN"})
        guest = Answer(200, {"user_id": "@x:hs", "is_guest": True})
        for tokens, answer, words in (
            (["t"], unknown, "a token is not accepted"),
            (["t"], guest, "that of a guest"),
            ([], None, "too few tokens"),
        ):
            conversation = self.conversation(always(answer))
            taken = Deferred.fromCoroutine(Given(tokens).account(conversation, "a"))
            failure = self.failureResultOf(taken, CannotRun)
            self.assertIn(words, str(failure.value))


class CleanTests(CheckTestCase):
    """What a run leaves behind in a homeserver."""

    def test_accounts_are_deactivated_and_rooms_left(self) -> None:
        """After a run nobody of it can log in, or is in a room."""
        self.run_checks(only=["26", "56", "68"])
        rooms = list(self.server._rooms.rooms)
        self.assertGreater(len(rooms), 2)
        for room in rooms:
            ours = [one for one in room.joined if one.startswith("@check-")]
            self.assertEqual([], ours, room.room_id)
        for token in self.lab.secrets:
            response = self.ask("GET", "account/whoami", token=token)
            self.assertEqual(401, response.status)
