"""The embedded homeserver is checked, and passes."""

from __future__ import annotations

from matrix_presence.check.registry import Profile
from matrix_presence.check.verdicts import Verdict
from tests.check.rig import CheckTestCase


class EmbeddedTests(CheckTestCase):
    """All that can be checked of it in memory."""

    def test_nothing_fails(self) -> None:
        """No check of what clients can see fails or passes in other words only."""
        profiles = (Profile.MODERN, Profile.LEGACY, Profile.OPTIONAL)
        results = self.run_checks(profiles=profiles)
        wrong = {
            number: (result.reason, *result.exchanges)
            for number, result in results.items()
            if result.verdict in {Verdict.FAIL, Verdict.STRICT}
        }
        self.assertEqual({}, wrong, str(wrong))
