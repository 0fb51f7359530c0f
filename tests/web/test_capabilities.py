"""What is said of presence in `/versions` and `/capabilities`."""

from __future__ import annotations

from matrix_presence.config import parse
from matrix_presence.web.capabilities import capabilities, unstable_features
from tests.base import TestCase


class UnstableFeaturesTests(TestCase):
    """Entries of `/versions`."""

    def test_busy(self) -> None:
        """Busy is offered where it can be set, and only there (A-115)."""
        for options, offered in (
            ({}, True),
            ({"busy": False}, False),
            ({"enabled": False}, False),
            ({"enabled": "untracked"}, False),
        ):
            self.assertEqual(
                unstable_features(parse(options)),
                {"org.matrix.msc3026.busy_presence": offered},
                options,
            )


class CapabilitiesTests(TestCase):
    """Entries of `/capabilities`."""

    def test_presence(self) -> None:
        """Who may set presence, and who gets any, follows the option (A-115)."""
        for enabled, send, receive in (
            (True, True, True),
            ("untracked", False, True),
            (False, False, False),
        ):
            self.assertEqual(
                capabilities(parse({"enabled": enabled})),
                {"m.presence": {"send_enabled": send, "receive_enabled": receive}},
                enabled,
            )
