"""What docs/synapse.md says about options, against the code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matrix_presence.synapse.options import (
    DEVIATIONS,
    ModuleConfig,
    option_entries,
    parse_entry,
)
from tests.base import TestCase

PAGE = Path(__file__).parents[2] / "docs" / "synapse.md"


class OptionTableTests(TestCase):
    """The table of options."""

    def test_it_has_every_option_as_it_is(self) -> None:
        """Each stands there with both defaults and its meaning, in order."""
        rows = []
        for entry in option_entries():
            compat = f"`{entry.compat}`" if entry.compat else ""
            rows.append(
                f"| `{entry.path}` | `{entry.default}` | {compat} | {entry.meaning} |"
            )
        lines = PAGE.read_text(encoding="utf-8").splitlines()
        self.assertEqual(rows, [line for line in lines if line.startswith("| `")])


class DeviationTests(TestCase):
    """`compat`, and what it stands for."""

    def test_it_gives_each_deviation_the_value_synapse_has(self) -> None:
        """All in one place, and nothing else changes."""
        plain, compat = parse_entry({}), parse_entry({"compat": True})
        for name, value in DEVIATIONS.items():
            self.assertEqual(value, self.option(compat, name), name)
        self.assertEqual(compat, parse_entry(dict(DEVIATIONS)))
        self.assertEqual(plain, parse_entry({"compat": False}))

    def option(self, config: ModuleConfig, name: str) -> Any:
        """The value of an option in either part."""
        part: Any = config.own if hasattr(config.own, name) else config.presence
        return getattr(part, name)

    def test_what_stands_beside_it_counts(self) -> None:
        """It changes defaults, not what somebody has written."""
        config = parse_entry({"compat": True, "status_msg_limit": 100})
        self.assertEqual(100, config.presence.status_msg_limit)
