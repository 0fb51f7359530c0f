"""The server's own signing key: made on the first start, in Synapse's file format."""

from __future__ import annotations

import os
import secrets
import string
from pathlib import Path

from signedjson.key import (
    generate_signing_key,
    read_signing_keys,
    write_signing_keys,
)
from signedjson.types import SigningKey

from matrix_presence.options import ConfigError

#: What a key's version may consist of (C-60).
_LETTERS = string.ascii_letters


def signing_key(path: Path) -> SigningKey:
    """The key in this file, which is made if it is not there.

    Raises:
        ConfigError: the file holds no key, or cannot be read or written.
    """
    try:
        if not path.exists():
            _make(path)
        with path.open(encoding="ascii") as file:
            keys = read_signing_keys(file)
    except OSError as error:
        raise ConfigError(f"signing key {str(path)!r}: {error.strerror}") from error
    except Exception as error:
        # What is wrong with a line is a ValueError, an IndexError, or base64's own.
        raise ConfigError(f"{str(path)!r} holds no signing key") from error
    if not keys:
        raise ConfigError(f"{str(path)!r} holds no signing key")
    return keys[0]


def _make(path: Path) -> None:
    version = "a_" + "".join(secrets.choice(_LETTERS) for _ in range(4))
    # For nobody else to read, from the beginning; never over an existing one.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        write_signing_keys(file, [generate_signing_key(version)])
