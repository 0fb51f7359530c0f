"""Which database a URL names."""

from __future__ import annotations

import os
import sys
from unittest import mock

from matrix_presence.storage.connection import CannotOpen
from matrix_presence.storage.urls import connect_to
from tests.base import TestCase


class UrlTests(TestCase):
    """URLs of databases."""

    def test_three_slashes_begin_an_absolute_path(self) -> None:
        """`sqlite:///path` and `sqlite:////path` both mean `/path`."""
        for slashes in ("//", "///"):
            path = os.path.abspath(self.mktemp())
            connect_to("sqlite:" + slashes + path)().close()
            self.assertTrue(os.path.exists(path))

    def test_no_slash_begins_a_relative_path(self) -> None:
        """`sqlite:path` is relative to the working directory; %20 is a space."""
        path = self.mktemp() + " and more"
        connect_to("sqlite:" + path.replace(" ", "%20"))().close()
        self.assertTrue(os.path.exists(path))

    def test_no_path_is_a_database_in_memory(self) -> None:
        """`sqlite://` opens no file."""
        before = os.listdir()
        connect_to("sqlite://")().close()
        self.assertEqual(os.listdir(), before)

    def test_other_urls_are_refused_in_a_sentence(self) -> None:
        """What is no URL of a database is a ValueError that says what would be one."""
        for url in (
            "",
            "presence.db",
            "/var/lib/presence.db",
            "mysql://host/name",
            "sqlite://presence.db",
            "sqlite:///presence.db?mode=ro",
            "postgresql://user:secret@[host/name",
        ):
            with self.assertRaises(ValueError) as caught:
                connect_to(url)
            self.assertNotIn("\n", str(caught.exception))
            self.assertNotIn("secret", str(caught.exception))

    def test_a_missing_driver_is_named(self) -> None:
        """Without psycopg2 a PostgreSQL URL is refused with what to install."""
        with mock.patch.dict(sys.modules, {"psycopg2": None}):
            with self.assertRaises(CannotOpen) as caught:
                connect_to("postgresql://host/name")
        self.assertEqual(
            str(caught.exception),
            "PostgreSQL needs the package psycopg2: install the extra 'postgres'",
        )
