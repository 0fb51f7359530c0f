"""Which database a URL names."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from matrix_presence.storage.connection import Connect
from matrix_presence.storage.postgres import postgres_connect
from matrix_presence.storage.sqlite import MEMORY, sqlite_connect

_EXPECTED = (
    "expected 'sqlite:///absolute/path', 'sqlite:relative/path', 'sqlite://' or"
    " 'postgresql://user:password@host/name'"
)


def connect_to(url: str) -> Connect:
    """How to open the database at this URL.

    Raises:
        ValueError: the URL is not one of ours. The sentence leaves the URL out, as it
            may hold a password.
        CannotOpen: the driver for PostgreSQL is not installed.
    """
    parts = urlsplit(url)
    if parts.scheme in ("postgresql", "postgres"):
        return postgres_connect(url)
    if parts.scheme != "sqlite":
        raise ValueError(f"Unknown kind of database {parts.scheme!r}: {_EXPECTED}")
    if parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"Not the URL of an SQLite file: {_EXPECTED}")
    path = unquote(parts.path)
    if path.startswith("/"):
        # Those who count slashes differently write four for an absolute path.
        path = "/" + path.lstrip("/")
    return sqlite_connect(path or MEMORY)
