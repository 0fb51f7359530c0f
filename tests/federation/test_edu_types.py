"""Other servers say whether they want presence, and so do we (MSC4373)."""

from __future__ import annotations

from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource

from matrix_presence.federation.client import Unreachable
from matrix_presence.federation.edu_types import EDU_TYPES_PATH, EduTypes
from matrix_presence.federation.link import FederationLink
from matrix_presence.interfaces import PresenceUnwanted
from matrix_presence.web.edu_types import EduTypesEndpoint
from matrix_presence.web.signed import SignedRequests
from tests.federation.rig import edu, said
from tests.federation.test_transactions import EDU, ServersTestCase

PRESENCE = edu(said())
DAY, WEEK = 86_400_000, 7 * 86_400_000


class Answer(Resource):
    """The same for every path."""

    isLeaf = True

    def __init__(self, body: bytes, status: int = 200, control: str = "") -> None:
        super().__init__()
        self.body, self.status, self.control = body, status, control
        self.count = 0

    def render_GET(self, request: Any) -> bytes:
        """Count it."""
        self.count += 1
        request.setResponseCode(self.status)
        if self.control:
            request.setHeader("Cache-Control", self.control)
        return self.body


class EduTypesTestCase(ServersTestCase):
    """One server asks another."""

    def setUp(self) -> None:
        """The asking one."""
        super().setUp()
        self.edu_types = EduTypes(self.here.client, self.here.now)

    def answers(self, *how: Any) -> Answer:
        """What the other server answers from now on."""
        answer = Answer(*how)
        self.internet.agents[b"there"] = RequestTraversalAgent(answer)
        return answer

    def unwanted_for(self) -> int:
        """For how long it wants no presence, ms; negative if it does."""
        asking = self.edu_types.unwanted_until("there")
        return self.successResultOf(Deferred.fromCoroutine(asking)) - self.here.now()


class AskingTests(EduTypesTestCase):
    """What follows from an answer."""

    def test_false_is_no(self) -> None:
        """For as long as the answer may be kept: a week at most, and by itself."""
        for control, valid_for in (
            ("", WEEK),
            ("max-age=3600", 3_600_000),
            ("public, max-age=86400", DAY),
            ("max-age=99999999", WEEK),
            ("max-age=nonsense", WEEK),
            ("max-age=0", 60_000),
        ):
            self.edu_types = EduTypes(self.here.client, self.here.now)
            self.answers(b'{"m.presence": false}', 200, control)
            self.assertEqual(valid_for, self.unwanted_for(), control)

    def test_anything_else_is_yes(self) -> None:
        """Also no answer to the question, which is most servers' answer."""
        for body, status in (
            (b"{}", 200),
            (b'{"m.presence": true, "m.typing": false}', 200),
            (b'{"m.presence": "false"}', 200),
            (b"[]", 200),
            (b"<html>", 200),
            (b'{"errcode": "M_UNRECOGNIZED"}', 404),
            (b"", 500),
            (b"x" * 500_000, 200),
        ):
            self.edu_types = EduTypes(self.here.client, self.here.now)
            self.answers(body, status)
            self.assertLess(self.unwanted_for(), 0)
            self.assertTrue(self.edu_types.is_sure("there"))

    def test_a_server_is_asked_once(self) -> None:
        """And again when that does not count any more, sooner if it had trouble."""
        for status, valid_for in ((200, WEEK), (404, DAY), (500, 600_000)):
            self.edu_types = EduTypes(self.here.client, self.here.now)
            answer = self.answers(b"{}", status)
            for _ in range(3):
                self.unwanted_for()
            self.clock.advance(valid_for / 1000 - 1)
            self.unwanted_for()
            self.assertEqual(1, answer.count)
            self.clock.advance(2)
            self.unwanted_for()
            self.assertEqual(2, answer.count)

    def test_what_is_remembered_is_bounded(self) -> None:
        """However many servers there are."""
        self.answers(b"{}")
        for number in range(10_050):
            self.edu_types._answers[f"s{number}"] = True, self.here.now() + DAY
        self.unwanted_for()
        self.assertLess(len(self.edu_types._answers), 10_051)


class SendingTests(EduTypesTestCase):
    """What is sent to whom."""

    def setUp(self) -> None:
        """A link that asks."""
        super().setUp()
        self.link = FederationLink(self.here.client, self.clock, self.edu_types)

    def test_presence_is_not_sent_to_whom_it_is_unwanted(self) -> None:
        """Other EDUs are, without a question (MSC4373)."""
        EduTypesEndpoint(
            SignedRequests(self.there.authentication.origin_of, lambda origin: None),
            lambda: False,
        ).add_to(self.there.router)
        why = self.failureResultOf(
            self.link.send("there", [EDU, PRESENCE]), PresenceUnwanted
        ).value
        self.assertEqual(self.here.now() + 3_600_000, why.until)
        self.successResultOf(self.link.send("there", [EDU]))
        self.assertEqual([EDU], [each for _, each, _ in self.there.edus])

    def test_a_server_that_does_not_know_the_question_is_sent_presence(self) -> None:
        """With one request more than otherwise, once."""
        for _ in range(3):
            self.successResultOf(self.link.send("there", [PRESENCE]))
        self.assertEqual(3, len(self.there.edus))
        paths = [path.decode() for _, path in self.internet.asked]
        self.assertEqual(1, paths.count(EDU_TYPES_PATH))

    def test_a_server_that_is_down_is_down(self) -> None:
        """It is not asked a second time for the transaction."""
        self.internet.down.add(b"there")
        self.failureResultOf(self.link.send("there", [PRESENCE]), Unreachable)
        self.assertEqual(1, len(self.internet.asked))


class ServingTests(ServersTestCase):
    """What we answer ourselves."""

    def setUp(self) -> None:
        """A server that can say either."""
        super().setUp()
        self.wants = True
        signed = SignedRequests(self.there.authentication.origin_of, self.heard)
        EduTypesEndpoint(signed, lambda: self.wants).add_to(self.there.router)

    def heard(self, origin: str) -> None:
        """A request of this server was in order."""
        self.there.heard.append(origin)

    def test_anybody_may_ask(self) -> None:
        """And is told for how long the answer counts (MSC4373)."""
        for self.wants in (True, False):
            answer = self.raw("GET", EDU_TYPES_PATH)
            self.assertEqual({"m.presence": self.wants}, answer.json)
            self.assertEqual("max-age=3600", answer.headers["Cache-Control"])

    def test_who_signs_the_question_has_to_sign_it_right(self) -> None:
        """It is then a sign of life like any other (MSC4373, C-54)."""
        asking = self.here.client.get("there", EDU_TYPES_PATH)
        self.successResultOf(Deferred.fromCoroutine(asking))
        self.assertEqual(["here"], self.there.heard)
        header = b'X-Matrix origin="here",key="ed25519:a_1",sig="AAAA"'
        refused = self.raw("GET", EDU_TYPES_PATH, authorization=header)
        self.assertEqual(401, refused.status)
