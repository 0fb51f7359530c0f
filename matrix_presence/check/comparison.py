"""Several reports side by side, one of them being the simplest case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from matrix_presence.check.report import Line, Report
from matrix_presence.check.verdicts import Verdict

_LONGEST = 300


def markdown(reports: Sequence[Report]) -> Iterator[str]:
    """The lines of a page in Markdown: a table, and what is behind what is no pass."""
    if len(reports) > 1:
        yield "# How homeservers do presence"
        yield ""
        yield "Made by `matrix-presence check --compare`."
        yield ""
    for report in reports:
        yield f"**{_cell(report.server)}**: {_counts(report)}."
        yield ""
    heads = ["#", "check", "what should happen"]
    yield _row(*heads, *(_cell(report.server) for report in reports))
    yield _row(*("---" for _ in (*heads, *reports)))
    for number in _numbers(reports):
        lines = [_line(report, number) for report in reports]
        known = next(line for line in lines if line is not None)
        verdicts = map(_verdict, lines)
        yield _row(str(number), f"`{known.name}`", _cell(known.title), *verdicts)
    for report in reports:
        yield from _reasons(report)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def side_by_side(reports: Sequence[Report]) -> Iterator[str]:
    """The lines of a table for a terminal."""
    heads = [report.server for report in reports]
    widths = [max(len(head), max(map(len, Verdict))) for head in heads]
    names = [
        known.name
        for number in _numbers(reports)
        for known in [next(filter(None, (_line(each, number) for each in reports)))]
    ]
    width = max(map(len, names), default=0)
    row = "  ".join(f"{head:<{size}}" for head, size in zip(heads, widths, strict=True))
    yield f"{'':>4}  {'':<{width}}  {row}".rstrip()
    for number, name in zip(_numbers(reports), names, strict=True):
        lines = [_line(report, number) for report in reports]
        row = "  ".join(
            f"{line.verdict if line else '':<{size}}"
            for line, size in zip(lines, widths, strict=True)
        )
        yield f"{number:>4}  {name:<{width}}  {row}".rstrip()
    yield ""
    for report in reports:
        yield f"{report.server}: {_counts(report)}"


def _numbers(reports: Sequence[Report]) -> list[int]:
    return sorted({line.number for report in reports for line in report.lines})


def _line(report: Report, number: int) -> Line | None:
    return next((line for line in report.lines if line.number == number), None)


def _verdict(line: Line | None) -> str:
    if line is None:
        return ""
    return "**fail**" if line.verdict is Verdict.FAIL else str(line.verdict)


def _counts(report: Report) -> str:
    counts = report.counts
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def _reasons(report: Report) -> Iterator[str]:
    """Why what is no pass is none, for one server."""
    for verdict in (Verdict.FAIL, Verdict.STRICT, Verdict.SKIPPED, Verdict.NOT_OFFERED):
        lines = [line for line in report.lines if line.verdict is verdict]
        if lines:
            yield ""
            yield f"{_cell(report.server)}, {verdict}:"
            yield ""
        for reason, same in _by_reason(lines).items():
            names = ", ".join(f"{line.number} `{line.name}`" for line in same)
            yield f"- {names}: {_cell(reason)}"


def _by_reason(lines: Sequence[Line]) -> Mapping[str, Sequence[Line]]:
    """The same lines, those with one reason together."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.reason, []).append(line)
    return found


def _cell(text: str) -> str:
    """Text that stays inside of a cell, whatever a server has put into it."""
    text = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
    text = text.replace("<", "&lt;").replace("`", "'")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
