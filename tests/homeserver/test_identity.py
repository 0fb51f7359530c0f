"""Data that belongs to one server name."""

from __future__ import annotations

from matrix_presence.homeserver.identity import claim
from matrix_presence.options import ConfigError
from matrix_presence.storage.database import Database
from tests.base import TestCase


class IdentityTests(TestCase):
    """A directory that is started with another name."""

    async def test_another_server_is_refused(self) -> None:
        """The sentence says whose data it is, and the same name is welcome again."""
        database = Database.immediate()
        await database.migrate("homeserver", "matrix_presence.homeserver")
        await claim(database, "localhost:8008")
        await claim(database, "localhost:8008")
        with self.assertRaisesRegex(ConfigError, "'localhost:8008'.*--server-name"):
            await claim(database, "localhost:8011")
