"""One server at a time on one data directory: each keeps all of it in memory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from matrix_presence.options import ConfigError


class DataLock:
    """Held from its making to `release`, or to the end of the process however it ends.

    Raises:
        ConfigError: another process holds it.
    """

    def __init__(self, data: Path) -> None:
        self._file = os.open(data / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise ConfigError(
                f"data: another server is running on {str(data)!r}"
            ) from error

    def release(self) -> None:
        """Let another server have it."""
        os.close(self._file)
