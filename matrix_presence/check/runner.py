"""Runs checks side by side and says what came of each."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.python.failure import Failure

from matrix_presence.check.bench import Bench
from matrix_presence.check.cast import Cast
from matrix_presence.check.lab import MISSING, Lab
from matrix_presence.check.registry import Check, Need
from matrix_presence.check.target import NoAnswer, found_target
from matrix_presence.check.timers import show_seconds
from matrix_presence.check.verdicts import (
    CannotRun,
    Failed,
    NotOffered,
    Result,
    Skipped,
    Verdict,
)

logger = logging.getLogger(__name__)

#: Exchanges that are kept of a check that has not passed.
_KEPT = 8

Listener = Callable[[Result], None]
"""Is told of each result as it comes."""


async def run_checks(
    lab: Lab, checks: Iterable[Check], at_once: int, tell: Listener
) -> Sequence[Result]:
    """The results of all checks, by number.

    Args:
        at_once: how many checks are done side by side; each has people of its own.

    Raises:
        CannotRun: the target is not there any more, or lets us make no accounts.
    """
    run = _Run(lab, tell)
    checks = list(checks)
    # A restart is felt by all, so those that need one come last, one by one.
    await run.all_of(
        [each for each in checks if Need.RESTART not in each.needs], at_once
    )
    await run.all_of([each for each in checks if Need.RESTART in each.needs], 1)
    return sorted(run.results, key=lambda result: result.check.number)


@attrs.define
class _Run:
    lab: Lab
    tell: Listener
    waiting: deque[Check] = attrs.field(factory=deque)
    results: list[Result] = attrs.field(factory=list)
    #: Why nothing more is done.
    over: CannotRun | None = None
    #: Why the last of those who found no people found none.
    no_cast: CannotRun | None = None

    async def all_of(self, checks: Iterable[Check], at_once: int) -> None:
        """Do these checks; see `run_checks`."""
        self.enqueue(checks)
        workers = min(at_once, len(self.waiting))
        # Each comes to its end, whatever the others meet: what it made it takes away.
        working = [Deferred.fromCoroutine(self.work()) for _ in range(workers)]
        ended: list[tuple[bool, Any]] = await DeferredList(working, consumeErrors=True)
        for _, end in ended:
            if isinstance(end, Failure):
                end.raiseException()
        if self.over is not None:
            raise self.over
        if self.waiting and self.no_cast is not None:
            # Had one of them found people, it would have done all of it.
            raise self.no_cast

    def enqueue(self, checks: Iterable[Check]) -> None:
        """Skip what cannot be done; of the rest, what waits longest goes first."""
        timers = self.lab.timers
        possible = []
        for check in checks:
            reason = timers.refusal(check.wait)
            for need in sorted(check.needs - set(self.lab.has)):
                reason = MISSING[need]
            if reason is None:
                possible.append(check)
            else:
                self.add(Result(check, Verdict.SKIPPED, reason))
        possible.sort(key=lambda check: (-timers.seconds(check.wait), check.number))
        self.waiting.extend(possible)

    def add(self, result: Result) -> None:
        """There is a result."""
        self.results.append(result)
        self.tell(result)

    async def work(self) -> None:
        """Do one check after the other, with one cast.

        Cancelled, it still takes away what was made.
        """
        try:
            cast = await Cast.make(self.lab.source, self.lab.conversation())
        except (CannotRun, Skipped) as reason:
            self.no_cast = CannotRun(str(reason))
            return
        except NoAnswer as reason:
            self.no_cast = CannotRun(f"{self.lab.target.base_url} {reason}")
            return
        try:
            while self.waiting and self.over is None:
                self.add(await self.result(self.waiting.popleft(), cast))
        except CannotRun as reason:
            self.over = reason
        finally:
            await self.part(cast)

    async def part(self, cast: Cast) -> None:
        """Leave nothing behind, as far as the target lets us."""
        try:
            await cast.part(self.lab.source, self.lab.conversation())
        except Exception:
            logger.debug("Something is left behind", exc_info=True)

    async def result(self, check: Check, cast: Cast) -> Result:
        """What comes of one check.

        Raises:
            CannotRun: the target is not there any more.
        """
        conversation = self.lab.conversation()
        bench = Bench(self.lab, cast, conversation)
        began = bench.now()
        try:
            verdict, reason = await self.verdict(check, bench)
        except CancelledError:
            await bench.clear()
            raise
        took = bench.now() - began
        limited = conversation.limited
        if verdict is Verdict.FAIL and limited and check.wait.timer is not None:
            waited = show_seconds(limited / 1000)
            verdict = Verdict.SKIPPED
            reason = f"rate limits of the target came in between (waited {waited})"
        shown = [] if verdict is Verdict.PASS else conversation.shown(_KEPT)
        await bench.clear()
        return Result(check, verdict, reason, shown, took, limited)

    async def verdict(self, check: Check, bench: Bench) -> tuple[Verdict, str]:
        """What comes of it, and why.

        Raises:
            CannotRun: the target is not there any more.
        """
        try:
            await check.run(bench)
        except Failed as reason:
            return Verdict.FAIL, str(reason)
        except Skipped as reason:
            return Verdict.SKIPPED, str(reason)
        except NotOffered as reason:
            return Verdict.NOT_OFFERED, str(reason)
        except NoAnswer as reason:
            # Is it this request that it cannot take, or any?
            await found_target(self.lab.target)
            return Verdict.FAIL, f"the target {reason}"
        except (CannotRun, CancelledError):
            raise
        except Exception as error:
            # The checks read what any server may have written.
            logger.debug("Check %d ended", check.number, exc_info=True)
            what = f"{type(error).__name__}: {error}"
            return Verdict.FAIL, f"an answer is not as a check can read it ({what})"
        if bench.strict:
            return Verdict.STRICT, "; ".join(dict.fromkeys(bench.strict))
        return Verdict.PASS, "; ".join(bench.notes)
