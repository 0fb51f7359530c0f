"""Results as files and tables."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import attrs

from matrix_presence.check.comparison import markdown, side_by_side
from matrix_presence.check.junit import junit
from matrix_presence.check.report import Line, Report, read_report
from matrix_presence.check.table import table
from matrix_presence.check.verdicts import Verdict
from tests.base import TestCase

PASS, FAIL = Verdict.PASS, Verdict.FAIL


def line(number: int, verdict: Verdict, reason: str = "", **more: Any) -> Line:
    """What came of a check with this number."""
    known = Line(
        number,
        f"check-{number}",
        f"Number {number} works.",
        f"A-{number}: it should.",
        "modern",
        verdict,
        reason,
    )
    return attrs.evolve(known, **more)


REPORT = Report(
    "https://hs.test",
    "Synapse 1.163.2",
    (
        line(1, PASS, took=1500),
        line(2, Verdict.STRICT, "400 M_UNKNOWN, not 400 M_BAD_JSON"),
        line(3, FAIL, "it does not", exchanges=("GET /x\n-> 500 {}   (1 ms)",)),
        line(4, Verdict.SKIPPED, "would wait 5m", limited=20_000),
        line(5, Verdict.NOT_OFFERED, "no guests | at all"),
    ),
    took=61_000,
)
OTHER = Report("http://other.test", "Other", (line(1, FAIL, "no"), line(6, PASS)))


class FileTests(TestCase):
    """`--json`, and what `--compare` reads."""

    def test_what_is_written_can_be_read(self) -> None:
        """It is the same report."""
        self.assertEqual(REPORT, read_report(REPORT.text()))

    def test_what_is_no_report_is_refused(self) -> None:
        """Whatever it is, in one sentence."""
        for content in (
            b"", b"[]", b"{}", b'{"version":2}', b'{"version":1}', b"null", b"\xff",
            b'{"version":1,"lines":[{}],"target":"x","server":"y"}',
            REPORT.text().replace(b'"pass"', b'"perhaps"'),
            REPORT.text().replace(b'"took"', b'"tock"'),
        ):  # fmt: skip
            error = self.assertRaises(ValueError, read_report, content)
            self.assertIn("holds no results", str(error))


class TableTests(TestCase):
    """What is printed."""

    def test_each_check_has_a_row(self) -> None:
        """With its verdict, and the reason for it."""
        lines = list(table(REPORT))
        self.assertIn("   1  check-1  pass", lines)
        self.assertIn("   4  check-4  skipped: would wait 5m", lines)

    def test_a_failure_is_explained(self) -> None:
        """With what was expected, the source of that, and the exchange."""
        text = "\n".join(table(REPORT))
        self.assertIn("3 check-3 FAILED: it does not", text)
        self.assertIn("expected: Number 3 works.", text)
        self.assertIn("source: A-3: it should.", text)
        self.assertIn("    -> 500 {}   (1 ms)", text)

    def test_the_end_says_how_many_came_to_what(self) -> None:
        """And that rate limits were waited for."""
        text = "\n".join(table(REPORT))
        counts = "1 pass, 1 strict, 1 fail, 1 skipped, 1 not offered"
        self.assertIn(f"5 checks in 1m1s: {counts}", text)
        self.assertIn("rate limits of the target were waited for, 20s in all", text)

    def test_nothing_to_explain_is_not_explained(self) -> None:
        """Where everything passed at once."""
        text = "\n".join(table(Report("u", "s", [line(1, PASS)])))
        self.assertNotIn("strict:", text)
        self.assertNotIn("rate limits", text)


class JunitTests(TestCase):
    """`--junit`."""

    def test_each_check_is_a_case(self) -> None:
        """Failures are failures, what was not done is skipped, the rest has passed."""
        suite = ElementTree.fromstring(junit(REPORT))
        self.assertEqual("5", suite.get("tests"))
        self.assertEqual("1", suite.get("failures"))
        self.assertEqual("2", suite.get("skipped"))
        cases = {case.get("name"): case for case in suite}
        self.assertEqual([], list(cases["1 check-1"]))
        self.assertEqual("1.500", cases["1 check-1"].get("time"))
        (failure,) = cases["3 check-3"]
        self.assertEqual(
            ("failure", "it does not"), (failure.tag, failure.get("message"))
        )
        self.assertIn("-> 500", failure.text or "")
        (skipped,) = cases["5 check-5"]
        self.assertEqual("skipped", skipped.tag)

    def test_what_xml_cannot_say_is_replaced(self) -> None:
        """A server can put anything into an answer."""
        odd = line(1, FAIL, "\x00 ]]> <b> \ud800", exchanges=["\x1b[31m"])
        suite = ElementTree.fromstring(junit(Report("u", "s", [odd])))
        message = suite[0][0].get("message")
        self.assertEqual("\ufffd ]]> <b> \ufffd", message)


class MarkdownTests(TestCase):
    """`--markdown`, of one run or of several."""

    def test_a_row_for_each_check_and_a_column_for_each_server(self) -> None:
        """A check that one of them has not been asked for is empty there."""
        lines = list(markdown([REPORT, OTHER]))
        self.assertEqual(
            "| # | check | what should happen | Synapse 1.163.2 | Other |",
            next(line for line in lines if line.startswith("|")),
        )
        self.assertIn("| 1 | `check-1` | Number 1 works. | pass | **fail** |", lines)
        self.assertIn("| 6 | `check-6` | Number 6 works. |  | pass |", lines)

    def test_reasons_stand_below(self) -> None:
        """What a server says cannot break the table, or add to the page."""
        text = "\n".join(markdown([REPORT]))
        self.assertIn("- 3 `check-3`: it does not", text)
        self.assertIn("no guests \\| at all", text)
        hostile = line(1, FAIL, "<img src=x>`\n\n# title")
        text = "\n".join(markdown([Report("u", "s|", [hostile])]))
        self.assertIn("&lt;img src=x>' # title", text)
        self.assertIn("s\\|", text)

    def test_what_has_one_reason_is_one_line(self) -> None:
        """A feature that is missing is missed by many checks."""
        lines = tuple(line(number, Verdict.SKIPPED, "no lists") for number in (7, 9))
        page = list(markdown([Report("u", "s", lines)]))
        self.assertIn("- 7 `check-7`, 9 `check-9`: no lists", page)

    def test_side_by_side_on_a_terminal(self) -> None:
        """The same, without the reasons."""
        lines = list(side_by_side([REPORT, OTHER]))
        self.assertIn("   1  check-1  pass             fail", lines)
        self.assertIn("   6  check-6                   pass", lines)
        self.assertIn("Other: 1 pass, 1 fail", lines)
