"""The command line: what it takes, and what it says when it does not."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import yaml

from matrix_presence import __version__
from matrix_presence.__main__ import _parser, main, said
from matrix_presence.homeserver.settings import ServeOptions, parse_options, settle
from matrix_presence.options import ConfigError
from tests.base import TestCase


class MainTests(TestCase):
    """Commands that end by themselves."""

    def run_main(self, *arguments: str) -> tuple[Any, str, str]:
        """The exit status, and what went to stdout and stderr."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main(arguments)
                status: Any = 0
            except SystemExit as end:
                status = end.code
        return status, out.getvalue(), err.getvalue()

    def refusal(self, *arguments: str) -> str:
        """The one line of a command that ends with status 2."""
        status, out, err = self.run_main(*arguments)
        self.assertEqual((2, ""), (status, out))
        (line,) = err.splitlines()
        return line

    def test_config_prints_a_file_with_the_defaults(self) -> None:
        """What is printed can be given to `--config`."""
        status, out, _err = self.run_main("config")
        self.assertEqual(0, status)
        self.assertEqual(ServeOptions(), parse_options(yaml.safe_load(out)))

    def test_version(self) -> None:
        """The version is that of the package."""
        self.assertEqual((0, f"{__version__}\n", ""), self.run_main("--version"))

    def test_a_wrong_option_is_named(self) -> None:
        """One line, without a summary of all that would have been right."""
        self.assertEqual(
            "matrix-presence: unrecognized arguments: --listne tcp:1",
            self.refusal("serve", "--listne", "tcp:1"),
        )
        self.assertIn("COMMAND", self.refusal())
        self.assertIn("servee", self.refusal("servee"))
        self.assertIn("--data", self.refusal("serve", "--data"))

    def test_a_wrong_value_is_named(self) -> None:
        """What a file could not say, the command line cannot say either."""
        self.assertIn("'not a name'", self.refusal("serve", "--server-name=not a name"))
        self.assertIn("not 99999", self.refusal("serve", "--listen=tcp:99999"))

    def test_a_wrong_file_is_named(self) -> None:
        """The file, the key and the value are in the sentence."""
        path = Path(self.mktemp())
        path.write_text("presence: {tick: slow}")
        line = self.refusal("serve", "--config", str(path))
        self.assertIn(f"{path}: presence.tick takes", line)
        self.assertIn("not 'slow'", line)


class SaidTests(TestCase):
    """The command line goes before the file, the file before the defaults."""

    def options(self, *arguments: str, file: str | None = None) -> ServeOptions:
        """What is said by these arguments and this file."""
        if file is not None:
            path = Path(self.mktemp())
            path.write_text(file)
            arguments = (*arguments, "--config", str(path))
        return said(_parser().parse_args(["serve", *arguments]))

    def test_nothing_said_is_the_defaults(self) -> None:
        """Without options, and with an empty file."""
        self.assertEqual(ServeOptions(), self.options())
        self.assertEqual(ServeOptions(), self.options(file=""))

    def test_each_option_is_taken(self) -> None:
        """Every option of the command line has its place in the configuration."""
        options = self.options(
            "--data=there",
            "--server-name=example.org",
            "--database=sqlite:there.db",
            "--listen=tcp:1",
            "--listen=tcp:2",
            "--open-registration",
            "--no-rate-limit",
        )
        config = settle(options)
        self.assertEqual(Path("there"), config.data)
        self.assertEqual("example.org", config.server_name)
        self.assertEqual("sqlite:there.db", config.database)
        self.assertEqual(("tcp:1", "tcp:2"), config.listen)
        self.assertTrue(config.open_registration)
        self.assertFalse(config.rate_limit)

    def test_the_command_line_goes_before_the_file(self) -> None:
        """What both say is said by the command line; the rest by the file."""
        file = "{listen: ['tcp:1'], server_name: a.org, presence: {tick: 7}}"
        options = self.options("--listen=tcp:2", file=file)
        self.assertEqual(("tcp:2",), options.listen)
        self.assertEqual("a.org", options.server_name)
        self.assertEqual(7, options.presence.tick)

    def test_a_file_that_is_no_mapping_is_named(self) -> None:
        """A list is no configuration, whatever the command line says beside it."""
        error = self.assertRaises(ConfigError, self.options, file="- presence")
        self.assertIn("takes a section of options, not a list", str(error))
