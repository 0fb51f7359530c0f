"""Results as the XML that CI systems read."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, tostring

from matrix_presence.check.report import Line, Report
from matrix_presence.check.verdicts import Verdict

#: What XML 1.0 has no way to say.
_UNSAYABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> bytes:
    """One suite with a case for each check; what is not offered counts as skipped."""
    counts = report.counts
    skipped = counts[Verdict.SKIPPED] + counts[Verdict.NOT_OFFERED]
    suite = Element(
        "testsuite",
        name=f"matrix-presence check of {_sayable(report.server)}",
        tests=str(len(report.lines)),
        failures=str(counts[Verdict.FAIL]),
        errors="0",
        skipped=str(skipped),
        time=_seconds(report.took),
    )
    for line in report.lines:
        _add_case(suite, line)
    content: bytes = tostring(suite, encoding="utf-8", xml_declaration=True)
    return content


def _add_case(suite: Element, line: Line) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=f"presence.{line.profile}",
        name=f"{line.number} {line.name}",
        time=_seconds(line.took),
    )
    reason = _sayable(line.reason)
    match line.verdict:
        case Verdict.FAIL:
            found = SubElement(case, "failure", message=reason)
            said = [line.title, line.source, *line.exchanges]
            found.text = _sayable("\n\n".join(said))
        case Verdict.SKIPPED | Verdict.NOT_OFFERED:
            SubElement(case, "skipped", message=f"{line.verdict}: {reason}")
        case Verdict.STRICT:
            SubElement(case, "system-out").text = f"{line.verdict}: {reason}"


def _sayable(text: str) -> str:
    return _UNSAYABLE.sub("\ufffd", text)


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}"
