"""Numbered SQL files that make the tables, each applied once and in order.

A file is plain SQL that both engines understand, named `NNN_name.sql`; 001 is the
first. A statement ends with a semicolon at the end of a line. A file that has been
released is never changed: a later one corrects it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from importlib import resources
from sqlite3 import complete_statement

from matrix_presence.storage.connection import Cursor

logger = logging.getLogger(__name__)

_FILE_NAME = re.compile(r"(\d{3})_\w+\.sql")

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_versions (
    component TEXT NOT NULL,
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (component, version)
)
"""


class SchemaTooNew(Exception):
    """A later version of the code has changed the tables; this one must not write."""


def migrate(component: str, package: str, cursor: Cursor) -> None:
    """Apply the files in `package`'s directory `schema` that have not been yet.

    Raises:
        SchemaTooNew: a file was applied that this version does not have.
        ValueError: the files are not numbered 1, 2, 3 and so on.
    """
    files = _files(package)
    cursor.execute(_TABLE)
    cursor.execute(
        "SELECT MAX(version) FROM schema_versions WHERE component = ?", (component,)
    )
    applied = cursor.fetchone()[0] or 0
    if applied > len(files):
        raise SchemaTooNew(
            f"The tables of {component} are of version {applied},"
            f" but this program knows only version {len(files)}: upgrade it"
        )
    for version, (name, sql) in enumerate(files[applied:], start=applied + 1):
        logger.info("Applying %s of %s", name, component)
        for statement in _statements(sql):
            cursor.execute(statement)
        cursor.execute(
            "INSERT INTO schema_versions (component, version, name) VALUES (?, ?, ?)",
            (component, version, name),
        )


def _files(package: str) -> list[tuple[str, str]]:
    """The names and contents of the schema files, in the order of their numbers."""
    found = sorted(
        (match[0], file.read_text(encoding="utf-8"))
        for file in resources.files(package).joinpath("schema").iterdir()
        if (match := _FILE_NAME.fullmatch(file.name))
    )
    numbers = [int(name[:3]) for name, _ in found]
    if not found or numbers != list(range(1, len(found) + 1)):
        raise ValueError(
            f"The schema files of {package} are not numbered from 1 on: {numbers}"
        )
    return found


def _statements(sql: str) -> Iterator[str]:
    """The statements of a file, one by one.

    Drivers that take a whole file commit on the way, and half a migration is worse
    than none.
    """
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if line.rstrip().endswith(";") and complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        raise ValueError(f"A schema file ends within a statement: {statement!r}")
