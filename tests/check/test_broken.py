"""Each check fails by the faults that it is about, and by no other.

The homeserver is the embedded one, which has none of them; see `faulty` for how it gets
one. A check is done again with each fault that alters anything of what is said in the
course of it: it cannot see the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import attrs

from matrix_presence.check.bench import Bench
from matrix_presence.check.registry import Check, Need, Profile, all_checks, select
from matrix_presence.check.verdicts import Result, Verdict
from tests.base import TestCase
from tests.check.faulty import Between, FaultyAgent, Shadow
from tests.check.rig import CheckTestCase
from tests.check.tables import FAULTS

for table in ("activity", "filters", "legacy", "status", "sync"):
    import_module(f"tests.check.faults_{table}")

#: What federates is shown to fail by real servers, and what is optional by none.
NOT_HERE = {Profile.FEDERATION, Profile.OPTIONAL}


class BrokenTests(CheckTestCase):
    """The homeserver with one fault after the other."""

    def setUp(self) -> None:
        """A restart does nothing but that a fault may know of it."""
        super().setUp()
        self.was_restarted = False
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

    def test_each_fault_is_found_by_the_checks_that_are_about_it(self) -> None:
        """These fail, and no others."""
        checks = select(all_checks(), {Profile.MODERN, Profile.LEGACY})
        healthy, shadows = self.run_through(checks, Shadow, FAULTS.values())
        self.assertEqual({}, _failures(healthy))
        found = {}
        for fault in FAULTS.values():
            self.was_restarted = False
            near = [one for one in checks if fault.name in shadows[one.number].touching]
            print(fault.name, len(near), flush=True)
            results, _ = self.run_through(near, FaultyAgent, fault)
            found[fault.name] = set(_failures(results))
        wanted = {fault.name: set(fault.fails) for fault in FAULTS.values()}
        wrong = {
            name: (sorted(wanted[name]), sorted(failed))
            for name, failed in found.items()
            if failed != wanted[name]
        }
        self.assertEqual({}, wrong)


class CoverageTests(TestCase):
    """What the faults are about, all together."""

    def test_each_check_fails_by_some_fault(self) -> None:
        """But for those that are shown to fail elsewhere."""
        found: set[int] = set()
        for fault in FAULTS.values():
            found |= fault.fails
        checks = [one for one in all_checks() if one.profile not in NOT_HERE]
        self.assertEqual([one.number for one in checks], sorted(found))


def _failures(results: Mapping[int, Result]) -> dict[int, str]:
    """What has failed, and why."""
    return {
        number: result.reason
        for number, result in results.items()
        if result.verdict is Verdict.FAIL
    }
