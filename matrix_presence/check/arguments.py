"""What can be said to `matrix-presence check` on the command line."""

from __future__ import annotations

import argparse

from matrix_presence.check.registry import Profile
from matrix_presence.check.timers import Timers, show_seconds
from matrix_presence.kinds import read_duration
from matrix_presence.options import Unfit

_TIMES = Timers()

DESCRIPTION = """\
Check the presence of any homeserver from outside. Exit status 0: everything passed;
1: something failed; 2: it could not be checked.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `check` takes."""
    add = parser.add_argument
    add("target", metavar="URL", nargs="?", help="the homeserver, for its clients")
    _add_people(parser.add_argument_group("people"))
    _add_choice(parser.add_argument_group("which checks"))
    _add_times(parser.add_argument_group("the times of the target"))
    _add_federation(parser.add_argument_group("more that checks need"))
    _add_output(parser.add_argument_group("results"))


def _add_people(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--register", action="store_true", help="make accounts, as anybody may")
    add(
        "--shared-secret",
        metavar="SECRET",
        help="make accounts by Synapse's registration_shared_secret",
    )
    add(
        "--token",
        action="append",
        default=[],
        metavar="TOKEN",
        help="use the accounts of three tokens (or six, nine...) that share no rooms",
    )
    add(
        "--side-by-side",
        type=_count,
        default=8,
        metavar="N",
        help="how many checks go on at once, with three accounts each; default: 8",
    )
    add("--ca", metavar="FILE", help="trust these certificates (PEM) only")
    add("--insecure", action="store_true", help="take any certificate")


def _add_choice(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--profile",
        type=_profiles,
        default=(Profile.MODERN,),
        metavar="NAME,...",
        help=f"of {', '.join(Profile)}, or all; default: {Profile.MODERN}",
    )
    for option, help in (
        ("--only", "run these: a number, a range (43-72), a name or a pattern"),
        ("--skip", "do not run these"),
    ):
        add(
            option,
            type=lambda text: text.split(","),
            action="extend",
            default=[],
            metavar="CHECK,...",
            help=help,
        )
    add("--list", action="store_true", help="show the checks, and run none")


def _add_times(group: argparse._ArgumentGroup) -> None:
    for option, default, help in (
        ("--granularity", _TIMES.granularity, "how long activity counts as current"),
        ("--online-timeout", _TIMES.online, "how long after a sync one is online"),
        ("--idle-timeout", _TIMES.idle, "how long until one is idle"),
        (
            "--federation-timeout",
            _TIMES.federation,
            "how long users of a silent server stay as they are",
        ),
        ("--patience", _TIMES.patience, "skip what would have to wait longer"),
    ):
        group.add_argument(
            option,
            type=_duration,
            default=default,
            metavar="TIME",
            help=f"{help}; default: {show_seconds(default)}",
        )


def _add_federation(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--federation",
        action="store_true",
        help="be a homeserver that the target federates with",
    )
    add("--peer-name", metavar="NAME", help="its name; default: localhost:PORT")
    add(
        "--peer-listen",
        metavar="ENDPOINT",
        help="where it listens; default: a free port on 127.0.0.1",
    )
    add(
        "--target-name",
        metavar="NAME",
        help="where the target federates; default: what its users are called after",
    )
    add("--as-token", metavar="TOKEN", help="of an application service of the target")
    add(
        "--as-user",
        metavar="PREFIX",
        default="_check_",
        help="how the local parts in its namespace begin; default: _check_",
    )
    add("--as-listen", metavar="ENDPOINT", help="where the target sends its events")
    add("--restart", metavar="COMMAND", help="restarts the target, for a shell")


def _add_output(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--title", metavar="NAME", help="how to call the target in the results")
    add("--json", metavar="FILE", help="write the results, to be compared")
    add("--junit", metavar="FILE", help="write them for a CI")
    add("--markdown", metavar="FILE", help="write a table to be pasted")
    add(
        "--compare",
        nargs="+",
        metavar="FILE",
        help="set saved results (--json) side by side, and check nothing",
    )


def _duration(written: str) -> float:
    """Seconds.

    Raises:
        argparse.ArgumentTypeError: it is no duration.
    """
    try:
        return read_duration(written) / 1000
    except Unfit:
        raise argparse.ArgumentTypeError(
            f"{written!r} is no time such as 2s or 5m"
        ) from None


def _count(written: str) -> int:
    if written.isdecimal() and 0 < int(written) <= 64:
        return int(written)
    raise argparse.ArgumentTypeError(f"{written!r} is no number from 1 to 64")


def _profiles(written: str) -> tuple[Profile, ...]:
    if written == "all":
        return tuple(Profile)
    try:
        return tuple(Profile(name) for name in written.split(","))
    except ValueError as error:
        known = ", ".join(Profile)
        raise argparse.ArgumentTypeError(f"{error}; there are {known}") from None
