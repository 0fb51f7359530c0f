"""A data directory that is in use."""

from __future__ import annotations

from pathlib import Path

from matrix_presence.homeserver.data_lock import DataLock
from matrix_presence.options import ConfigError
from tests.base import TestCase


class DataLockTests(TestCase):
    """Two servers that want the same directory."""

    def test_the_second_is_refused_until_the_first_is_done(self) -> None:
        """One sentence names the directory."""
        data = Path(self.mktemp())
        data.mkdir()
        first = DataLock(data)
        with self.assertRaisesRegex(ConfigError, str(data)):
            DataLock(data)
        first.release()
        DataLock(data).release()
