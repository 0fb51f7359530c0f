"""The outcome of a run, as it is kept and compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import orjson

from matrix_presence.check.verdicts import Result, Verdict

#: Of the file format.
_VERSION = 1


@attrs.frozen
class Line:
    """What came of one check, without the check itself."""

    number: int
    name: str
    title: str
    source: str
    profile: str
    verdict: Verdict
    reason: str = ""
    exchanges: Sequence[str] = ()
    #: ms; and of that for rate limits.
    took: int = 0
    limited: int = 0


@attrs.frozen
class Report:
    """What came of all checks of a run."""

    target: str
    #: What the target calls itself, such as `Synapse 1.163.2`; else its URL.
    server: str
    lines: Sequence[Line]
    #: ms.
    took: int = 0

    @property
    def counts(self) -> Mapping[Verdict, int]:
        """How many checks came to what."""
        found = Counter(line.verdict for line in self.lines)
        return {verdict: found[verdict] for verdict in Verdict}

    @property
    def limited(self) -> int:
        """How long rate limits were waited for, by all checks together, ms."""
        return sum(line.limited for line in self.lines)

    def text(self) -> bytes:
        """The report as JSON, for `read_report`."""
        return orjson.dumps(
            {"version": _VERSION, **attrs.asdict(self)},
            option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
        )


def report(
    target: str, server: str, results: Sequence[Result], took: int = 0
) -> Report:
    """The report of these results."""
    return Report(target, server, tuple(map(_line, results)), took)


def _line(result: Result) -> Line:
    check = result.check
    return Line(
        check.number,
        check.name,
        check.title,
        check.source,
        check.profile,
        result.verdict,
        result.reason,
        tuple(result.exchanges),
        result.took,
        result.limited,
    )


def read_report(content: bytes) -> Report:
    """The report in a file that `text` has made.

    Raises:
        ValueError: there is none in it; with one sentence.
    """
    try:
        found: Any = orjson.loads(content)
        if found.pop("version") != _VERSION:
            raise ValueError("it is of another version")
        lines = tuple(map(_read_line, found.pop("lines")))
        return Report(lines=lines, **found)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ValueError("holds no results of matrix-presence check") from None


def _read_line(found: Mapping[str, Any]) -> Line:
    verdict, exchanges = Verdict(found["verdict"]), tuple(found["exchanges"])
    return Line(**{**found, "verdict": verdict, "exchanges": exchanges})
