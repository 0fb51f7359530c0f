"""The checks against the embedded homeserver, in memory and on virtual time."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.web.iweb import IAgent

from matrix_presence.check.accounts import Registered
from matrix_presence.check.lab import Lab
from matrix_presence.check.registry import Check, Need, Profile, all_checks, select
from matrix_presence.check.runner import run_checks
from matrix_presence.check.target import Target
from matrix_presence.check.timers import Timers
from matrix_presence.check.verdicts import Result
from tests.homeserver.test_app import HomeserverTestCase

T = TypeVar("T")

#: Seconds of one step of time.
_STEP = 0.05
#: Seconds that a run may take.
_LONGEST = 900.0


class CheckTestCase(HomeserverTestCase):
    """A homeserver with short times, and a lab that has it for a target."""

    #: Its options, and what the checks are told of them.
    presence: ClassVar[Mapping[str, Any]] = {
        "last_active_granularity": "2s",
        "sync_online_timeout": "4s",
        "idle_timeout": "6s",
    }
    timers = Timers(granularity=2.0, online=4.0, idle=6.0, slack=2.0)

    def setUp(self) -> None:
        """A homeserver, with what HomeserverTestCase has put into it."""
        super().setUp()
        self.memory = RequestTraversalAgent(self.root)
        self.target = Target(self.agent(), "http://hs.test", self.reactor)
        self.lab = Lab(self.target, self.timers, Registered(), {Need.NEW_ACCOUNT})

    def start(self, **options: Any) -> None:
        """Start it, perhaps again, with the short times."""
        super().start(**{**self.presence, **options})

    def agent(self) -> IAgent:
        """What asks the homeserver."""
        agent: IAgent = self.memory
        return agent

    def flush(self) -> None:
        """Let what was written arrive."""
        self.memory.flush()

    def finished(self, going_on: Coroutine[Any, Any, T]) -> T:
        """What a coroutine returns, for which time passes until it does."""
        started = Deferred.fromCoroutine(going_on)
        passed = 0.0
        while not started.called and passed < _LONGEST:
            self.flush()
            self.reactor.advance(_STEP)
            passed += _STEP
        return self.successResultOf(started)

    def run_checks(
        self,
        only: Sequence[str] = (),
        skip: Sequence[str] = (),
        profiles: Iterable[Profile] = (Profile.MODERN,),
        at_once: int = 8,
    ) -> Mapping[int, Result]:
        """What comes of these checks, by number."""
        checks = select(all_checks(), set(profiles), only, skip)
        return self.results(checks, at_once)

    def results(
        self, checks: Sequence[Check], at_once: int = 8
    ) -> Mapping[int, Result]:
        """What comes of these checks, by number."""
        self.told: list[Result] = []
        found = self.finished(run_checks(self.lab, checks, at_once, self.told.append))
        return {result.check.number: result for result in found}
