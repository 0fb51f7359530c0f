"""Results for people: a table, and below it what has failed and why."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from matrix_presence.check.registry import Check
from matrix_presence.check.report import Line, Report
from matrix_presence.check.timers import show_seconds
from matrix_presence.check.verdicts import Verdict

_WIDTH = 88


def table(report: Report) -> Iterator[str]:
    """The lines of it."""
    yield f"{report.server} at {report.target}"
    yield ""
    names = max((len(line.name) for line in report.lines), default=0)
    for line in report.lines:
        row = f"{line.number:>4}  {line.name:<{names}}  {line.verdict}"
        yield f"{row}: {line.reason}" if line.reason else row
    for line in report.lines:
        if line.verdict is Verdict.FAIL:
            yield from _failure(line)
    yield ""
    yield from _summary(report)


def _failure(line: Line) -> Iterator[str]:
    """What was expected, on what grounds, and what was said instead."""
    yield ""
    yield f"{line.number} {line.name} FAILED: {line.reason}"
    yield from _wrapped("expected", line.title)
    yield from _wrapped("source", line.source)
    for exchange in line.exchanges:
        yield ""
        yield textwrap.indent(exchange, "    ")


def _wrapped(label: str, text: str) -> Iterator[str]:
    indent = " " * (len(label) + 4)
    yield from textwrap.wrap(
        f"{label}: {text}", _WIDTH, initial_indent="  ", subsequent_indent=indent
    )


def _summary(report: Report) -> Iterator[str]:
    counts = report.counts
    said = [f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict]]
    took = show_seconds(report.took / 1000)
    yield f"{len(report.lines)} checks in {took}: {', '.join(said) or 'none'}"
    if counts[Verdict.STRICT]:
        yield "strict: the target did right, and said so with another errcode or status"
    if report.limited:
        waited = show_seconds(report.limited / 1000)
        yield (
            f"rate limits of the target were waited for, {waited} in all, by checks "
            "side by side; without them it is quicker and checks more"
        )


def listing(checks: Iterable[Check]) -> Iterator[str]:
    """The checks there are, a line each."""
    for check in checks:
        yield f"{check.number:>4}  {check.profile:<10}  {check.name:<36}  {check.title}"
