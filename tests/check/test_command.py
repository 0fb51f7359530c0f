"""`matrix-presence check` as far as it goes without a target."""

from __future__ import annotations

import argparse
import contextlib
import io
from pathlib import Path
from typing import Any

import attrs

from matrix_presence.__main__ import main
from matrix_presence.check.arguments import add_arguments
from matrix_presence.check.progress import Progress
from matrix_presence.check.registry import all_checks
from matrix_presence.check.verdicts import Result, Verdict
from tests.base import TestCase
from tests.check.test_reports import OTHER, REPORT

ROOT = Path(__file__).parents[2]


class CommandTests(TestCase):
    """What is printed, and the exit status."""

    def run_check(self, *arguments: str) -> tuple[Any, str, str]:
        """The exit status, and what went to stdout and stderr."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main(["check", *arguments])
                status: Any = 0
            except SystemExit as end:
                status = end.code
        return status, out.getvalue(), err.getvalue()

    def refusal(self, *arguments: str) -> str:
        """The one line of a run that ends with status 2."""
        status, out, err = self.run_check(*arguments)
        self.assertEqual((2, ""), (status, out))
        (line,) = err.splitlines()
        return line

    def saved(self, content: bytes) -> str:
        """The path of a file with this."""
        path = Path(self.mktemp())
        path.write_bytes(content)
        return str(path)

    def test_list_shows_all_checks(self) -> None:
        """A line each, with number, profile, name and what should happen."""
        status, out, _ = self.run_check("--list")
        self.assertEqual(0, status)
        self.assertEqual(len(all_checks()), len(out.splitlines()))
        self.assertIn("put-online", out)

    def test_a_target_is_needed(self) -> None:
        """Unless something is asked for that needs none."""
        self.assertIn("takes the URL of a homeserver", self.refusal())

    def test_wrong_arguments_are_named(self) -> None:
        """Each in one line, with status 2."""
        for arguments, words in (
            (["--idle-timeout", "soon"], "'soon' is no time"),
            (["--profile", "modern,antique"], "antique"),
            (["--side-by-side", "0"], "'0' is no number from 1 to 64"),
            (["--side-by-side", "many"], "'many'"),
        ):
            self.assertIn(words, self.refusal("https://hs.test", *arguments))

    def test_every_option_is_in_the_documentation(self) -> None:
        """What can be said is in docs/checking.md, but for what any command takes."""
        parser = argparse.ArgumentParser(add_help=False)
        add_arguments(parser)
        page = (ROOT / "docs" / "checking.md").read_text()
        for action in parser._actions:
            for option in action.option_strings:
                self.assertIn(option, page)

    def test_saved_runs_are_compared(self) -> None:
        """On the terminal, and as Markdown."""
        page = self.mktemp()
        files = self.saved(REPORT.text()), self.saved(OTHER.text())
        status, out, _ = self.run_check("--markdown", page, "--compare", *files)
        self.assertEqual(0, status)
        self.assertIn("Synapse 1.163.2", out)
        self.assertIn("| Synapse 1.163.2 | Other |", Path(page).read_text())

    def test_what_a_target_says_does_nothing_to_the_terminal(self) -> None:
        """Escapes in what it calls itself are shown as what cannot be shown."""
        odd = self.saved(attrs.evolve(OTHER, server="\x1b[2J\x07 odd").text())
        _, out, _ = self.run_check("--compare", odd)
        self.assertIn("\ufffd[2J\ufffd odd", out)
        self.assertNotIn("\x1b", out)
        self.assertNotIn("\x1b", self.refusal("\x1b[2J"))

    def test_files_that_cannot_be_compared_are_named(self) -> None:
        """Or written."""
        good, odd = self.saved(REPORT.text()), self.saved(b"{}")
        self.assertIn(f"{odd!r} holds no results", self.refusal("--compare", odd))
        self.assertIn("cannot read '/nowhere'", self.refusal("--compare", "/nowhere"))
        status, _, err = self.run_check(
            "--markdown", "/nowhere/page.md", "--compare", good
        )
        self.assertEqual(2, status)
        self.assertIn("cannot write '/nowhere/page.md'", err)


class Terminal(io.StringIO):
    """Pretends to be one."""

    def isatty(self) -> bool:
        """It is."""
        return True


class ProgressTests(TestCase):
    """The bar."""

    def told(self, stream: io.StringIO) -> str:
        """What is written while two of four checks end, one of them badly."""
        progress = Progress(4, stream)
        progress.begin()
        for verdict in (Verdict.PASS, Verdict.FAIL):
            progress.told(Result(all_checks()[0], verdict))
        shown = stream.getvalue()
        progress.end()
        return shown

    def test_a_terminal_shows_how_far_it_is(self) -> None:
        """On one line, which is cleared at the end."""
        terminal = Terminal()
        last = self.told(terminal).rpartition("\r")[2]
        bar = "#" * 15 + "." * 15
        self.assertEqual(f"\x1b[K[{bar}] 2 of 4, 1 failed", last)
        self.assertTrue(terminal.getvalue().endswith("\r\x1b[K"))

    def test_a_file_shows_nothing(self) -> None:
        """There is no terminal to write over."""
        self.assertEqual("", self.told(io.StringIO()))
