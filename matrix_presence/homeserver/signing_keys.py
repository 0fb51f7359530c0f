"""The server's own signing keys: made on the first start, in Synapse's file formats."""

from __future__ import annotations

import os
import secrets
import string
from pathlib import Path

from signedjson.key import (
    generate_signing_key,
    read_old_signing_keys,
    read_signing_keys,
    write_signing_keys,
)
from signedjson.types import SigningKey

from matrix_presence.options import ConfigError
from matrix_presence.wire.server_keys import OldKey

#: What a key's version may consist of (C-60).
_LETTERS = string.ascii_letters


def signing_key(path: Path) -> SigningKey:
    """The key that signs: the first of `signing_keys`."""
    return signing_keys(path)[0]


def signing_keys(path: Path) -> list[SigningKey]:
    """The keys in this file, which is made with one if it is not there.

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
    return list(keys)


def old_signing_keys(path: Path) -> list[OldKey]:
    """The keys that sign no more, each with the time at which it expired.

    A line for each: `ed25519`, the version, the time in epoch ms, and the public key.
    The file need not be there.

    Raises:
        ConfigError: the file cannot be read, or a line of it.
    """
    try:
        with path.open(encoding="ascii") as file:
            return [OldKey(key, key.expired) for key in read_old_signing_keys(file)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"old keys {str(path)!r}: {error.strerror}") from error
    except Exception as error:
        raise ConfigError(f"{str(path)!r} holds what is no old key") from error


def _make(path: Path) -> None:
    version = "a_" + "".join(secrets.choice(_LETTERS) for _ in range(4))
    # For nobody else to read, from the beginning; never over an existing one.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        write_signing_keys(file, [generate_signing_key(version)])
