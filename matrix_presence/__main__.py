"""The command line: `matrix-presence serve`, `config` and `check`.

The only module that touches the global reactor, through `task.react`. What is wrong
with an option or a file is one sentence on stderr and exit status 2.
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from twisted.internet import task
from twisted.logger import STDLibLogObserver, globalLogBeginner

from matrix_presence import __version__
from matrix_presence.check.arguments import DESCRIPTION, add_arguments
from matrix_presence.homeserver import settings
from matrix_presence.homeserver.lifetime import PROG, refuse, serve
from matrix_presence.homeserver.reloading import Reloading, reload_on_hangup
from matrix_presence.homeserver.settings import ServeOptions
from matrix_presence.options import ConfigError

_LEVELS = ("debug", "info", "warning", "error")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that these arguments (by default those of the process) ask for.

    Raises:
        SystemExit: 0 when all went well, 2 when it could not start, 1 when a check
            failed.
    """
    asked = _parser().parse_args(arguments)
    if asked.command == "config":
        print(settings.describe(), end="")
        return
    if asked.command == "check":
        from matrix_presence.check import command

        if not command.without_target(asked):
            _log_to_stderr(asked.log_level)
            task.react(command.check, (asked, __version__))
        return
    try:
        options = said(asked)
        config = settings.settle(options)
    except ConfigError as error:
        refuse(error)
    _log_to_stderr(asked.log_level)
    # Slow to import, as `check` is.
    from matrix_presence.homeserver.app import EmbeddedHomeserver, make_service

    async def run(reactor: Any) -> None:
        def ready(service: EmbeddedHomeserver) -> None:
            reloading = Reloading(options, lambda: said(asked), service.reconfigure)
            reload_on_hangup(reactor, reloading)
            settle_memory()

        await serve(reactor, config, make_service, ready)

    task.react(run, ())


def settle_memory() -> None:
    """Keep the garbage collector from looking at what is there to stay.

    Everything loaded so far lives as long as the process, and requests leave few
    cycles behind: with Python's own thresholds an eighth of the time went into
    looking for them. The youngest are looked at some thousands at a time, which takes a
    few milliseconds, and everything since the start only when that has grown huge.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 5, 4_000)


def said(asked: argparse.Namespace) -> ServeOptions:
    """What the file says, and over it what the command line says.

    Raises:
        ConfigError: one of them cannot be used; the file is named if it is the file.
    """
    written: Any = None
    if asked.config is not None:
        written = settings.read_yaml(Path(asked.config))
        try:
            settings.parse_options(written)
        except ConfigError as error:
            raise ConfigError(f"{asked.config}: {error}") from None
    over = {key: getattr(asked, key) for key in _OPTIONS}
    over = {key: value for key, value in over.items() if value is not None}
    return settings.parse_options({**(written or {}), **over})


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    globalLogBeginner.beginLoggingTo(
        [STDLibLogObserver(name="twisted")], redirectStandardIO=False
    )


class _Parser(argparse.ArgumentParser):
    """Says what is wrong without repeating all that would be right."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{PROG}: {message}\n")


#: The options that a file can say too, as `settings.ServeOptions` names them.
_OPTIONS = (
    "server_name",
    "data",
    "database",
    "listen",
    "open_registration",
    "rate_limit",
    "federation_ca",
    "federation_insecure",
)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROG,
        description="Matrix presence: a small homeserver, and checks of any other.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser(
        "config",
        help="print a configuration file with every option, its default and meaning",
        allow_abbrev=False,
    )
    serve_parser = commands.add_parser(
        "serve",
        help="run the embedded homeserver",
        description="Run the embedded homeserver. What is said here goes before what "
        "the file says.",
        allow_abbrev=False,
    )
    add = serve_parser.add_argument
    add("--config", metavar="FILE", help="a YAML file; see `matrix-presence config`")
    add("--data", metavar="DIR", help="where the database and the keys are")
    add("--server-name", metavar="NAME", help="the name in the ids of users")
    add("--database", metavar="URL", help="sqlite: or postgresql:")
    add(
        "--listen",
        metavar="ENDPOINT",
        action="append",
        help="a Twisted endpoint such as tcp:8008:interface=127.0.0.1; repeatable",
    )
    add(
        "--open-registration",
        action="store_const",
        const=True,
        help="let anybody make an account; the default if all listeners are on "
        "loopback",
    )
    add(
        "--no-rate-limit",
        dest="rate_limit",
        action="store_const",
        const=False,
        help="do not limit what clients do",
    )
    add(
        "--federation-ca",
        metavar="FILE",
        help="talk to other servers whose certificates (PEM) are signed by these",
    )
    add(
        "--federation-insecure",
        action="store_const",
        const=True,
        help="talk to other servers and do not check who they are; only if all "
        "listeners are on loopback",
    )
    check_parser = commands.add_parser(
        "check",
        help="check the presence of any homeserver",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    add_arguments(check_parser)
    for each in (serve_parser, check_parser):
        each.add_argument(
            "--log-level", choices=_LEVELS, default="warning", help="default: warning"
        )
    return parser


if __name__ == "__main__":
    main()
