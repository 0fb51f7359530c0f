"""Schema files, applied once and in order."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from matrix_presence.storage.connection import Cursor
from matrix_presence.storage.database import Database
from matrix_presence.storage.migrations import SchemaTooNew
from tests.base import TestCase


class MigrationTests(TestCase):
    """`Database.migrate` with a package made for the test."""

    def setUp(self) -> None:
        self.database = Database.immediate()
        self.addCleanup(self.database.close)
        root = Path(self.mktemp()).absolute()
        self.package = "pets_" + root.name.replace("-", "_").replace(".", "_")
        self.schema = root / self.package / "schema"
        self.schema.mkdir(parents=True)
        (root / self.package / "__init__.py").touch()
        sys.path.insert(0, str(root))
        self.addCleanup(sys.path.remove, str(root))
        self.addCleanup(sys.modules.pop, self.package, None)

    def file(self, name: str, sql: str) -> None:
        """Add a schema file."""
        (self.schema / name).write_text(sql)

    def pets(self) -> list[str]:
        """What the files have put into the table."""

        def work(cursor: Cursor) -> list[str]:
            cursor.execute("SELECT name FROM pets ORDER BY id")
            return [name for (name,) in cursor.fetchall()]

        return self.successResultOf(self.database.run(work))

    def test_files_are_applied_in_order_and_once(self) -> None:
        """A second start applies only what has been added since the first."""
        self.file("002_rex.sql", "INSERT INTO pets (name) VALUES ('Rex');\n")
        self.file(
            "001_pets.sql",
            "-- Our pets; who else?\n"
            "CREATE TABLE pets (id INTEGER PRIMARY KEY, name TEXT);\n",
        )
        for _ in range(2):
            self.successResultOf(self.database.migrate("pets", self.package))
            self.assertEqual(self.pets(), ["Rex"])
        self.file(
            "003_more.sql",
            "INSERT INTO pets (name) VALUES ('Tom;\n');\n"
            "INSERT INTO pets (name)\n VALUES ('Ada');",
        )
        self.successResultOf(self.database.migrate("pets", self.package))
        self.assertEqual(self.pets(), ["Rex", "Tom;\n", "Ada"])

    def test_components_are_counted_apart(self) -> None:
        """The files of one component say nothing of those of another."""
        self.file("001_pets.sql", "CREATE TABLE IF NOT EXISTS pets (id, name TEXT);\n")
        self.file("002_rex.sql", "INSERT INTO pets (name) VALUES ('Rex');\n")
        for component in ("pets", "zoo"):
            self.successResultOf(self.database.migrate(component, self.package))
        self.assertEqual(self.pets(), ["Rex", "Rex"])

    def test_a_file_that_fails_leaves_nothing_behind(self) -> None:
        """Nothing of a start's files is applied when one of them fails."""
        self.file("001_pets.sql", "CREATE TABLE pets (id, name TEXT);\n")
        self.file("002_oops.sql", "CREATE TABLE zoo (id);\nCREATE TABLE pets (id);\n")
        done = self.database.migrate("pets", self.package)
        self.failureResultOf(done, sqlite3.OperationalError)
        (self.schema / "002_oops.sql").unlink()
        self.successResultOf(self.database.migrate("pets", self.package))

    def test_tables_of_a_later_version_are_left_alone(self) -> None:
        """A program that is older than its tables says so and does nothing."""
        self.file("001_pets.sql", "CREATE TABLE pets (id, name TEXT);\n")
        self.file("002_rex.sql", "INSERT INTO pets (name) VALUES ('Rex');\n")
        self.successResultOf(self.database.migrate("pets", self.package))
        (self.schema / "002_rex.sql").unlink()
        failure = self.failureResultOf(
            self.database.migrate("pets", self.package), SchemaTooNew
        )
        self.assertEqual(
            failure.getErrorMessage(),
            "The tables of pets are of version 2, but this program knows only"
            " version 1: upgrade it",
        )

    def test_a_gap_in_the_numbers_is_a_mistake(self) -> None:
        """Files not numbered from 1 on, without gap or double, are refused."""
        for names in ((), ("002_a.sql",), ("001_a.sql", "001_b.sql")):
            for name in names:
                self.file(name, "SELECT 1;\n")
            done = self.database.migrate("pets", self.package)
            self.failureResultOf(done, ValueError)
            for name in names:
                (self.schema / name).unlink()

    def test_an_unfinished_statement_is_a_mistake(self) -> None:
        """A file whose last statement lacks its semicolon is refused."""
        self.file("001_pets.sql", "CREATE TABLE pets (id)")
        done = self.database.migrate("pets", self.package)
        self.failureResultOf(done, ValueError)
