"""A server of ours as a process, for as long as a test needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contrib.bench.servers import Server, presence_server


@contextmanager
def running(
    directory: Path, presence: dict[str, Any] | None = None, *options: str
) -> Iterator[Server]:
    """A started server; its log holds no traceback at the end."""
    with presence_server(directory, presence, *options) as server:
        yield server
    assert "Traceback" not in server.log, server.log[-8000:]
