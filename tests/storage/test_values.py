"""An INSERT of one row as one of many."""

from __future__ import annotations

from matrix_presence.storage.values import around_values, with_rows
from tests.base import TestCase


class WithRowsTests(TestCase):
    """Statements that take many rows, and those that do not."""

    def test_the_placeholders_are_repeated(self) -> None:
        """Everything around the row stays as it is."""
        sql = "INSERT INTO t (a, b)\nVALUES (?, ?) ON CONFLICT (a) DO NOTHING"
        self.assertEqual(
            with_rows(sql, 2),
            "INSERT INTO t (a, b)\nVALUES (?, ?), (?, ?) ON CONFLICT (a) DO NOTHING",
        )

    def test_statements_with_anything_else_in_them_are_left_alone(self) -> None:
        """Constants, further placeholders and other verbs keep a statement single."""
        for sql in (
            "INSERT INTO t (a, b) VALUES (1, ?)",
            "INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO UPDATE SET b = ?",
            "INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO UPDATE SET b = '?'",
            "UPDATE t SET a = ? WHERE b = ?",
            "DELETE FROM t",
        ):
            self.assertIsNone(around_values(sql), sql)
            self.assertIsNone(with_rows(sql, 2), sql)
