"""Each check fails by the faults that it is about, and by no other.

The homeserver is the embedded one, which has none of them; see `faulty` for how it gets
one. A check is done again with each fault that alters anything of what is said in the
course of it: it cannot see the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, ClassVar

import attrs

from matrix_presence.check.bench import Bench
from matrix_presence.check.registry import Check, Need, Profile, all_checks, select
from matrix_presence.check.verdicts import Result, Verdict
from tests.base import TestCase
from tests.check.faulty import Between, FaultyAgent, Shadow
from tests.check.federated_rig import FederatedCheckTestCase, Staying
from tests.check.rig import CheckTestCase
from tests.check.tables import CLIENTS, SERVERS, Table

for table in (
    *("activity", "federation", "filters", "legacy", "optional"),
    *("status", "sync"),
):
    import_module(f"tests.check.faults_{table}")

CLIENT = (Profile.MODERN, Profile.LEGACY, Profile.OPTIONAL)
#: What cannot be seen to fail here, and why.
NOT_HERE = {
    **dict.fromkeys((146, 147, 148), "there is no application service"),
    **dict.fromkeys((151, 152, 153, 154), "the embedded homeserver does not offer it"),
}


class FaultTests:
    """Tests of a table of faults, one after the other."""

    profiles: ClassVar[Sequence[Profile]]
    table: ClassVar[Table]
    run_through: Callable[..., tuple[Mapping[int, Result], Mapping[int, Any]]]
    assertEqual: Callable[..., Any]

    def test_each_fault_is_found_by_the_checks_that_are_about_it(self) -> None:
        """These fail, and no others."""
        faults = self.table.faults.values()
        checks = select(all_checks(), self.profiles)
        healthy, shadows = self.run_through(checks, Shadow, faults)
        self.assertEqual({}, _failures(healthy))
        wrong = {}
        for fault in faults:
            near = [
                one
                for one in checks
                if one.number in shadows and fault.name in shadows[one.number].touching
            ]
            results, _ = self.run_through(near, FaultyAgent, fault)
            failed = _failures(results)
            if failed.keys() != fault.fails:
                wrong[fault.name] = failed
        self.assertEqual({}, wrong)


class ClientTests(FaultTests, CheckTestCase):
    """What clients see is broken."""

    profiles = CLIENT
    table = CLIENTS

    def setUp(self) -> None:
        """A restart does nothing but that a fault may know of it."""
        super().setUp()
        self.was_restarted = False
        self.lab.source = Staying()
        self.lab.has = {Need.NEW_ACCOUNT, Need.RESTART}
        self.lab.restart = self.restart

    async def restart(self) -> None:
        """From now on it was."""
        self.was_restarted = True

    def run_through(
        self, checks: Sequence[Check], agent: type[Between], *more: Any
    ) -> tuple[Mapping[int, Result], Mapping[int, Any]]:
        """What comes of the checks, and the agents by which they have asked.

        Each has people of its own, so that it knows nothing of the others.
        """
        agents = {}
        self.was_restarted = False

        async def run(check: Check, bench: Bench) -> None:
            users = {
                account.token: account.user_id
                for account in (bench.cast.a, bench.cast.b, bench.cast.c)
            }
            agents[check.number] = made = agent(
                self.memory, self.reactor, users, lambda: self.was_restarted, *more
            )
            ours = bench.conversation
            ours.target = attrs.evolve(ours.target, agent=made)
            await check.run(bench)

        altered = [attrs.evolve(one, run=partial(run, one)) for one in checks]
        return self.results(altered, at_once=len(checks)), agents


class ServerTests(FaultTests, FederatedCheckTestCase):
    """What other servers see is broken."""

    profiles = (Profile.FEDERATION,)
    table = SERVERS


class CoverageTests(TestCase):
    """What the faults are about, all together."""

    def test_each_check_fails_by_some_fault(self) -> None:
        """But for those of which it is said why they do not."""
        found = set(NOT_HERE)
        for table in (CLIENTS, SERVERS):
            for fault in table.faults.values():
                found |= fault.fails
        self.assertEqual([one.number for one in all_checks()], sorted(found))


def _failures(results: Mapping[int, Result]) -> dict[int, str]:
    """What has failed, and why."""
    return {
        number: result.reason
        for number, result in results.items()
        if result.verdict is Verdict.FAIL
    }
