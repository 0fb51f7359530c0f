"""The configuration read again while the server runs."""

from __future__ import annotations

import logging
from typing import Any

from matrix_presence.homeserver.reloading import Reloading
from matrix_presence.homeserver.settings import ServeConfig, ServeOptions, parse_options
from matrix_presence.options import ConfigError
from tests.base import TestCase

BEFORE: dict[str, Any] = {"federation": True, "presence": {"tick": "20ms"}}


class ReloadTests(TestCase):
    """What is taken over, and what is said about it."""

    def setUp(self) -> None:
        """A server that was started with a file."""
        self.file: Any = BEFORE
        self.taken: list[ServeConfig] = []
        self.reloading = Reloading(parse_options(BEFORE), self.read, self.taken.append)

    def read(self) -> ServeOptions:
        """The file as it is now."""
        return parse_options(self.file)

    def reload(self, said: Any) -> list[str]:
        """The file says this from now on; what is logged when it is read again."""
        self.file = said
        with self.assertLogs("matrix_presence.homeserver.reloading", "INFO") as logs:
            self.reloading.reload()
        return [
            record.getMessage()
            for record in logs.records
            if record.levelno >= logging.INFO
        ]

    def test_lists_and_toggles_are_taken_over(self) -> None:
        """Each is named."""
        lines = self.reload(
            BEFORE
            | {
                "federation_domain_whitelist": ["a.org"],
                "presence": {"tick": "20ms", "federation_incoming": False},
            }
        )
        names = "federation_domain_whitelist, presence.federation_incoming"
        self.assertEqual([f"The configuration was read again: {names}"], lines)
        (config,) = self.taken
        assert config.federation is not None
        self.assertEqual(("a.org",), config.federation.whitelist)
        self.assertFalse(config.presence.federation_incoming)

    def test_what_needs_a_restart_is_named(self) -> None:
        """Each time, until there is one; what is taken back is not."""
        needs = "A restart is needed for: presence.tick, rate_limit"
        said = BEFORE | {"presence": {"tick": "30ms"}, "rate_limit": False}
        for _ in range(2):
            self.assertEqual(needs, self.reload(said)[1])
        (line,) = self.reload(BEFORE)
        self.assertIn("nothing has changed", line)

    def test_a_file_that_cannot_be_used_changes_nothing(self) -> None:
        """One line says why, whatever is wrong with it."""
        for said, why in (
            ({"presence": {"local": 1}}, "presence.local takes true or false, not 1"),
            ({"federation_domain_blacklist": ["a b"]}, "a list of servers"),
            ({"listen": []}, "listen names no endpoint"),
            ("nonsense", "a section of options"),
        ):
            (line,) = self.reload(said)
            self.assertIn("The configuration stays as it was: ", line)
            self.assertIn(why, line)
        self.assertEqual([], self.taken)
        self.logged_errors()

    def test_a_file_that_is_gone_changes_nothing(self) -> None:
        """Nor one that cannot be read."""

        def read() -> ServeOptions:
            raise ConfigError("cannot read 'x': No such file or directory")

        reloading = Reloading(parse_options(BEFORE), read, self.taken.append)
        reloading.reload()
        self.assertEqual(1, len(self.logged_errors()))
        self.assertEqual([], self.taken)
