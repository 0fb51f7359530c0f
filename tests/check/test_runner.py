"""How checks are run, and what comes of those that go another way than planned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface import implementer

from matrix_presence.check.bench import Bench
from matrix_presence.check.lab import Lab
from matrix_presence.check.person import Synced
from matrix_presence.check.registry import Check, Need, Profile
from matrix_presence.check.runner import run_checks
from matrix_presence.check.timers import NO_WAIT, Timer, Timers, Wait
from matrix_presence.check.verdicts import (
    CannotRun,
    Failed,
    NotOffered,
    Result,
    Skipped,
    Verdict,
)
from tests.check.rig import CheckTestCase
from tests.check.targets import VERSIONS, Answer, ScriptedAgent, always

Does = Callable[[Bench], Awaitable[None]]


def a_check(does: Does, number: int = 1, wait: Wait = NO_WAIT, *needs: Need) -> Check:
    """One that does this."""
    return Check(
        number, f"check-{number}", "It passes.", "A-1: it should.", Profile.MODERN,
        does, wait, frozenset(needs),
    )  # fmt: skip


async def passes(bench: Bench) -> None:
    """There is nothing to it."""


@implementer(IAgent)
@attrs.define
class Toll:
    """Refuses each request that fits a first time, as one that comes too early."""

    agent: IAgent
    method: str
    words: str
    #: ms.
    wait: int = 3000
    refused: set[bytes] = attrs.field(factory=set)

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        body: Any = None,
    ) -> Any:
        """Like any agent."""
        fits = method.decode() == self.method and self.words in uri.decode()
        if fits and uri not in self.refused:
            self.refused.add(uri)
            limit = {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": self.wait}
            answer = ScriptedAgent(always(Answer(429, limit)))
            return answer.request(method, uri, headers, body)
        return self.agent.request(method, uri, headers, body)


class VerdictTests(CheckTestCase):
    """What comes of one check."""

    def result(self, does: Does, wait: Wait = NO_WAIT, *needs: Need) -> Result:
        """What comes of a check that does this."""
        return self.results([a_check(does, 1, wait, *needs)])[1]

    def test_a_check_that_returns_has_passed(self) -> None:
        """With what it noted, and without what was said."""

        async def does(bench: Bench) -> None:
            await bench.a.status()
            bench.note("answered quickly")

        result = self.result(does)
        self.assertEqual(Verdict.PASS, result.verdict)
        self.assertEqual("answered quickly", result.reason)
        self.assertEqual([], list(result.exchanges))

    def test_another_errcode_is_strict(self) -> None:
        """As is a status that does as well; each is said once."""

        async def does(bench: Bench) -> None:
            for _ in range(2):
                reply = await bench.a.ask("GET", "presence/foo/status")
                bench.expect(reply, 400, "M_OTHER")
            bench.expect(reply, 404, accept=[400])

        result = self.result(does)
        self.assertEqual(Verdict.STRICT, result.verdict)
        self.assertEqual(
            "GET is answered 400 M_INVALID_PARAM, not 400 M_OTHER; "
            "GET is answered 400 M_INVALID_PARAM, not 404",
            result.reason,
        )

    def test_another_status_is_a_failure(self) -> None:
        """With the exchange, in which no token can be read."""

        async def does(bench: Bench) -> None:
            reply = await bench.a.ask_status(bench.c)
            bench.expect(reply, 200)

        result = self.result(does)
        self.assertEqual(Verdict.FAIL, result.verdict)
        self.assertEqual("GET is answered 403 M_FORBIDDEN, not 200", result.reason)
        self.assertIn("-> 403", result.exchanges[-1])
        for token in self.lab.secrets:
            self.assertNotIn(token, "".join(result.exchanges))

    def test_what_a_check_says_itself(self) -> None:
        """It can fail, be skipped, or find that there is nothing to check."""
        for error, verdict in (
            (Failed("because"), Verdict.FAIL),
            (Skipped("because"), Verdict.SKIPPED),
            (NotOffered("because"), Verdict.NOT_OFFERED),
        ):

            async def does(bench: Bench, error: Exception = error) -> None:
                raise error

            result = self.result(does)
            self.assertEqual((verdict, "because"), (result.verdict, result.reason))

    def test_an_answer_that_cannot_be_read_is_a_failure(self) -> None:
        """Of the target, whatever it is that a check stumbles over."""

        async def does(bench: Bench) -> None:
            synced = Synced({"presence": {"events": ["nonsense"]}})
            synced.of("@a:hs")

        result = self.result(does)
        self.assertEqual(Verdict.FAIL, result.verdict)
        self.assertIn("not as a check can read it", result.reason)

    def test_what_is_missing_is_skipped(self) -> None:
        """With what to say on the command line."""
        result = self.result(passes, NO_WAIT, Need.PEER)
        self.assertEqual(Verdict.SKIPPED, result.verdict)
        self.assertIn("--federation", result.reason)

    def test_what_waits_too_long_is_skipped(self) -> None:
        """With what to say on the command line."""
        self.lab.timers = Timers(patience=10.0)
        result = self.result(passes, Wait(Timer.IDLE, 1.0))
        self.assertEqual(Verdict.SKIPPED, result.verdict)
        self.assertIn("--idle-timeout", result.reason)

    def test_what_goes_on_beside_a_check_ends_with_it(self) -> None:
        """A poll that nobody waits for is given up, and what it made is undone."""
        undone = []

        async def undo(what: str) -> None:
            undone.append(what)

        async def fails() -> None:
            raise RuntimeError("not to be undone")

        async def does(bench: Bench) -> None:
            since = (await bench.a.sync()).since
            bench.start(bench.a.sync(since, timeout=600.0))
            bench.afterwards(lambda: undo("first"))
            bench.afterwards(fails)
            bench.afterwards(lambda: undo("last"))

        result = self.result(does)
        self.assertEqual(Verdict.PASS, result.verdict)
        self.assertEqual(["last", "first"], undone)
        self.assertLess(self.reactor.seconds(), 1_790_000_000 + 60)


class LimitTests(CheckTestCase):
    """Rate limits of the target."""

    def agent(self) -> IAgent:
        """It refuses the first of each PUT of a status."""
        toll: IAgent = Toll(self.memory, "PUT", "/presence/")
        return toll

    def test_a_limit_is_waited_for(self) -> None:
        """And it is said how long that took."""

        async def does(bench: Bench) -> None:
            await bench.a.put("online")

        result = self.results([a_check(does)])[1]
        self.assertEqual(Verdict.PASS, result.verdict)
        self.assertEqual(3050, result.limited)
        self.assertGreaterEqual(result.took, 3000)

    def test_what_is_waited_for_does_not_count_as_late(self) -> None:
        """What is to be seen within five seconds may have had to wait for six."""

        async def does(bench: Bench) -> None:
            since = (await bench.settled(bench.a)).since
            seeing = bench.start(
                bench.sees(
                    bench.a, since, bench.b,
                    lambda content: content.get("status_msg") == "late", "not seen",
                )
            )  # fmt: skip
            await bench.b.put("online", "late")
            await seeing

        toll: Any = self.target.agent
        toll.wait = 6000
        self.assertEqual(Verdict.PASS, self.results([a_check(does)])[1].verdict)

    def test_a_limit_in_the_middle_of_a_time_is_no_failure(self) -> None:
        """What waits for a time-out cannot be told apart then."""

        async def does(bench: Bench) -> None:
            await bench.a.put("online")
            raise Failed("too late")

        result = self.results([a_check(does, 1, Wait(Timer.ONLINE, 1.0))])[1]
        self.assertEqual(Verdict.SKIPPED, result.verdict)
        self.assertIn("rate limits of the target came in between", result.reason)

    def test_a_limit_can_be_the_answer(self) -> None:
        """For a check that is about limits."""

        async def does(bench: Bench) -> None:
            reply = await bench.a.ask_put({"presence": "online"}, limits=False)
            bench.expect(reply, 429, "M_LIMIT_EXCEEDED")

        self.assertEqual(Verdict.PASS, self.results([a_check(does)])[1].verdict)


class RunTests(CheckTestCase):
    """Several checks."""

    def test_results_are_told_as_they_come_and_returned_by_number(self) -> None:
        """What waits longest begins first."""

        async def waits(bench: Bench) -> None:
            await bench.sleep(3.0)

        checks = [a_check(passes, 1), a_check(waits, 3, Wait(more=3.0))]
        found = self.results([*checks, a_check(passes, 2)], at_once=2)
        self.assertEqual([1, 2, 3], list(found))
        self.assertEqual([1, 2, 3], [result.check.number for result in self.told])

    def test_checks_that_go_on_side_by_side_have_people_of_their_own(self) -> None:
        """So what one does to A is not seen by another."""
        seen = []

        async def does(bench: Bench) -> None:
            seen.append(bench.a.user_id)
            await bench.sleep(1.0)

        self.results([a_check(does, number) for number in range(1, 5)], at_once=2)
        self.assertEqual((4, 2), (len(seen), len(set(seen))))

    def test_a_restart_waits_for_all_others(self) -> None:
        """And nothing else goes on meanwhile."""
        order = []

        async def restarts(bench: Bench) -> None:
            order.append("restart")

        async def waits(bench: Bench) -> None:
            await bench.sleep(5.0)
            order.append("done")

        self.lab.has = {Need.RESTART}
        restart = a_check(restarts, 1, NO_WAIT, Need.RESTART)
        self.results([restart, a_check(waits, 2), a_check(waits, 3)])
        self.assertEqual(["done", "done", "restart"], order)

    def test_a_target_that_goes_ends_the_run(self) -> None:
        """A request that is not answered is a failure, unless none is any more."""

        async def does(bench: Bench) -> None:
            agent: Any = self.lab.target.agent
            agent.answers = always(ConnectionRefusedError())
            await bench.a.status()

        self.lab = self.scripted()
        error = self.cannot_run([a_check(does, 1), a_check(does, 2)])
        self.assertEqual(
            "http://hs.test does not listen there (connection refused)", error
        )

    def test_a_request_that_is_not_answered_is_a_failure(self) -> None:
        """If the target answers others."""

        async def does(bench: Bench) -> None:
            await bench.a.ask("GET", "dropped")

        self.lab = self.scripted()
        result = self.results([a_check(does)])[1]
        self.assertEqual(Verdict.FAIL, result.verdict)
        self.assertEqual(
            "the target does not listen there (connection refused)", result.reason
        )
        self.assertIn("no answer", result.exchanges[-1])

    def test_a_target_without_rooms_cannot_be_checked(self) -> None:
        """Or one where nobody can register: it is said, once."""
        self.lab = self.scripted(createRoom=Answer(403, {"errcode": "M_FORBIDDEN"}))
        self.assertEqual(
            "A and B cannot share a room: POST /createRoom is answered 403 M_FORBIDDEN",
            self.cannot_run([a_check(passes)]),
        )
        agent: Any = self.lab.target.agent
        given_back = [path for _, path in agent.asked if "deactivate" in path]
        self.assertEqual(3, len(given_back))
        self.lab = self.scripted(register=ConnectionRefusedError())
        self.assertIn("does not listen there", self.cannot_run([a_check(passes)]))

    def test_who_stops_a_run_leaves_nothing_behind(self) -> None:
        """Checks are given up, and accounts and rooms are taken away as ever."""
        undone = []

        async def undo() -> None:
            undone.append("undone")

        async def does(bench: Bench) -> None:
            bench.afterwards(undo)
            await bench.sleep(600.0)

        checks = [a_check(does, number) for number in range(1, 4)]
        going_on = run_checks(self.lab, checks, 2, self.fail)
        running = Deferred.fromCoroutine(going_on)
        self.reactor.callLater(5.0, running.cancel)

        async def stopped() -> bool:
            try:
                await running
            except CancelledError:
                return True
            return False

        self.assertTrue(self.finished(stopped()))
        self.assertEqual(["undone", "undone"], undone)
        for token in self.lab.secrets:
            response = self.ask("GET", "account/whoami", token=token)
            self.assertEqual(401, response.status)

    def cannot_run(self, checks: list[Check]) -> str:
        """Why these cannot be run."""

        async def run() -> str:
            try:
                await run_checks(self.lab, checks, 8, lambda result: None)
            except CannotRun as reason:
                return str(reason)
            raise AssertionError("it ran")

        return self.finished(run())

    def scripted(self, **other: Any) -> Lab:
        """A lab with a target that is made up.

        Args:
            other: what is answered to paths with this word.
        """
        answers = {
            "dropped": ConnectionRefusedError(),
            "versions": VERSIONS,
            "register": Answer(200, {"user_id": "@x:hs", "access_token": "t"}),
            "createRoom": Answer(200, {"room_id": "!r:hs"}),
            **other,
        }

        def answer(method: str, path: str) -> Any:
            for word, found in answers.items():
                if word in path:
                    return found
            return Answer(200, {})

        target = attrs.evolve(self.target, agent=ScriptedAgent(answer))
        return attrs.evolve(self.lab, target=target)
