"""`matrix-presence check`, from what was said on the command line to an exit status."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import attrs
from twisted.internet.defer import CancelledError, Deferred

from matrix_presence.check.comparison import markdown, side_by_side
from matrix_presence.check.junit import junit
from matrix_presence.check.lab import Lab
from matrix_presence.check.preparation import Preparation, make_agent
from matrix_presence.check.progress import Progress
from matrix_presence.check.registry import (
    Check,
    UnknownCheck,
    all_checks,
    select,
)
from matrix_presence.check.report import Report, read_report, report
from matrix_presence.check.runner import run_checks
from matrix_presence.check.table import listing, table
from matrix_presence.check.target import NoAnswer, Target, found_target, read_url
from matrix_presence.check.verdicts import CannotRun, Verdict

logger = logging.getLogger(__name__)

PROG = "matrix-presence"


def refuse(reason: object) -> NoReturn:
    """Say why nothing was checked, in one line, and exit."""
    sentence = " ".join(str(reason).split())
    print(f"{PROG}: {''.join(map(_harmless, sentence))}", file=sys.stderr)
    raise SystemExit(2) from None


def without_target(asked: argparse.Namespace) -> bool:
    """Do what needs no target, if that is asked for; whether it was.

    Whatever is wrong with what was asked is found here, before a reactor runs.

    Raises:
        SystemExit: with status 2, if it cannot be done, or nothing can.
    """
    try:
        if asked.list:
            _print(listing(all_checks()))
        elif asked.compare:
            reports = [_saved(Path(name)) for name in asked.compare]
            _print(side_by_side(reports))
            _write(asked.markdown, lambda: _lines(markdown(reports)))
        elif asked.target is None:
            refuse("check takes the URL of a homeserver")
        else:
            _chosen(asked)
            read_url(asked.target)
            return False
    except (CannotRun, UnknownCheck, ValueError) as reason:
        refuse(reason)
    return True


async def check(reactor: Any, asked: argparse.Namespace, version: str) -> None:
    """Check the target and show the results.

    Asked to stop, it takes away first what it has made.

    Raises:
        SystemExit: with status 1 if something failed, 2 if it could not be checked.
    """
    running = Deferred.fromCoroutine(_check(reactor, asked, version))
    done: Deferred[None] = Deferred()

    def stop() -> Deferred[None]:
        running.cancel()
        return done

    reactor.addSystemEventTrigger("before", "shutdown", stop)
    try:
        await running
    except CancelledError:
        refuse("stopped; what was made is taken away")
    finally:
        done.callback(None)


async def _check(reactor: Any, asked: argparse.Namespace, version: str) -> None:
    """The same, for as long as nobody stops it."""
    try:
        checks = _chosen(asked)
        agent = make_agent(reactor, asked)
        target = Target(agent, read_url(asked.target), reactor)
        target = attrs.evolve(target, user_agent=f"{target.user_agent}/{version}")
        prepared = await Preparation.make(reactor, await found_target(target), asked)
        try:
            found = await report_of(prepared.lab, checks, prepared.at_once)
            if asked.title:
                found = attrs.evolve(found, server=asked.title)
        finally:
            await prepared.put_away()
        _show(found, asked)
    except (CannotRun, UnknownCheck, ValueError, OSError) as reason:
        logger.debug("Could not check", exc_info=True)
        refuse(reason)
    if found.counts[Verdict.FAIL]:
        raise SystemExit(1)


async def report_of(lab: Lab, checks: Sequence[Check], at_once: int) -> Report:
    """What comes of these checks of a target.

    Raises:
        CannotRun: it cannot be checked; with one sentence.
    """
    target = lab.target
    began = target.now()
    progress = Progress(len(checks), sys.stderr)
    progress.begin()
    try:
        results = await run_checks(lab, checks, at_once, progress.told)
    finally:
        progress.end()
    took = target.now() - began
    return report(target.base_url, await _server(target), results, took)


def _chosen(asked: argparse.Namespace) -> Sequence[Check]:
    """The checks that are asked for.

    Raises:
        CannotRun: there are none.
        UnknownCheck: one is named that there is not.
    """
    checks = select(all_checks(), asked.profile, asked.only, asked.skip)
    if not checks:
        raise CannotRun("no check is left to be run")
    return checks


async def _server(target: Target) -> str:
    """What the target calls itself, if it says so; else its URL."""
    try:
        reply = await target.ask("GET", "/_matrix/federation/v1/version")
        said = reply.json["server"]
        return f"{said['name']} {said['version'].split()[0]}"
    except (NoAnswer, LookupError, TypeError, AttributeError):
        return target.base_url


def _show(found: Report, asked: argparse.Namespace) -> None:
    """Print the table, and write the files that were asked for.

    Raises:
        CannotRun: one of them cannot be written.
    """
    _print(table(found))
    _write(asked.json, found.text)
    _write(asked.junit, lambda: junit(found))
    _write(asked.markdown, lambda: _lines(markdown([found])))


def _saved(path: Path) -> Report:
    """The results in a file.

    Raises:
        CannotRun: there are none.
    """
    try:
        return read_report(path.read_bytes())
    except OSError as error:
        raise CannotRun(f"cannot read {str(path)!r}: {error.strerror}") from None
    except ValueError as error:
        raise CannotRun(f"{str(path)!r} {error}") from None


def _write(path: str | None, content: Callable[[], bytes]) -> None:
    if path is None:
        return
    try:
        Path(path).write_bytes(content())
    except OSError as error:
        raise CannotRun(f"cannot write {path!r}: {error.strerror}") from None


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _print(lines: Iterable[str]) -> None:
    """Print lines of which the target may have written a part."""
    for line in lines:
        print("".join(map(_harmless, line)))


def _harmless(character: str) -> str:
    """The character, unless it could move the cursor or do worse to a terminal."""
    return character if character.isprintable() or character == "\n" else "\ufffd"
