"""What a homeserver that federates is checked for."""

from __future__ import annotations

from matrix_presence.check.registry import Profile, all_checks, select
from matrix_presence.check.verdicts import Verdict
from tests.check.faulty import Shadow
from tests.check.federated_rig import FederatedCheckTestCase


class EmbeddedTests(FederatedCheckTestCase):
    """The embedded homeserver."""

    def test_nothing_fails(self) -> None:
        """Or passes in other words only; nothing is skipped."""
        checks = select(all_checks(), {Profile.FEDERATION})
        results, _ = self.run_through(checks, Shadow, ())
        self.assertEqual(
            {},
            {
                number: (result.verdict, result.reason, *result.exchanges)
                for number, result in results.items()
                if result.verdict is not Verdict.PASS
            },
        )
