"""Passwords: hashed so that a stolen database does not give them away.

scrypt from the standard library, in a thread: it takes a tenth of a second on purpose
and lets go of Python's lock meanwhile.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
from twisted.internet.defer import Deferred, DeferredSemaphore

from matrix_presence.errors import InvalidParam, TooLarge

Run = Callable[[Callable[[], Any]], Deferred[Any]]
"""Runs a function where it may take its time, and answers what it returns."""

#: Bytes. Longer ones would only be work for the hash.
LONGEST = 512
_SALT_BYTES = 16
_HASH_BYTES = 32
#: Bytes that OpenSSL wants to be allowed beyond what scrypt itself takes.
_SPARE_MEMORY = 2**20
#: Hashes at a time: each takes a core and some memory, and requests want both too.
_AT_A_TIME = 2


@attrs.frozen
class Cost:
    """What one scrypt hash takes: memory 128 n r bytes, time in proportion to n r p."""

    n: int = 2**14
    r: int = 8
    #: As OWASP recommends with n = 2^14 (16 MiB).
    p: int = 5


class Passwords:
    """Hashes and checks passwords.

    Args:
        run: with a reactor, `partial(deferToThreadPool, reactor, pool)`.
        cost: of new hashes; those that exist keep their own.
    """

    def __init__(self, run: Run, cost: Cost | None = None) -> None:
        self._run = run
        self._cost = cost or Cost()
        self._slots = DeferredSemaphore(_AT_A_TIME)
        #: Compared with where there is no account, so that it takes as long.
        self._nobodys = _described(self._cost, b"\0" * _SALT_BYTES, b"\0" * _HASH_BYTES)

    async def hashed(self, password: str) -> str:
        """A new hash of this password, as text that says how it was made."""
        salt = secrets.token_bytes(_SALT_BYTES)
        digest = await self._digest(password, salt, self._cost)
        return _described(self._cost, salt, digest)

    async def fits(self, password: str, password_hash: str | None) -> bool:
        """Whether this is the password behind the hash.

        Args:
            password_hash: None where there is no password; then it is False, after
                as long a time.
        """
        _, n, r, p, salt, expected = (password_hash or self._nobodys).split("$")
        cost = Cost(int(n), int(r), int(p))
        digest = await self._digest(password, b64decode(salt), cost)
        same = hmac.compare_digest(digest, b64decode(expected))
        return same and password_hash is not None

    async def _digest(self, password: str, salt: bytes, cost: Cost) -> bytes:
        work = partial(
            hashlib.scrypt,
            password.encode(),
            salt=salt,
            n=cost.n,
            r=cost.r,
            p=cost.p,
            maxmem=128 * cost.r * (cost.n + cost.p) + _SPARE_MEMORY,
            dklen=_HASH_BYTES,
        )
        digest: bytes = await self._slots.run(self._run, work)
        return digest


def checked_password(password: str) -> str:
    """The same password, fit to be one.

    Raises:
        InvalidParam: it is empty.
        TooLarge: it is longer than anybody types.
    """
    if not password:
        raise InvalidParam("The password is empty")
    if len(password.encode()) > LONGEST:
        raise TooLarge(f"The password is longer than {LONGEST} bytes")
    return password


def _described(cost: Cost, salt: bytes, digest: bytes) -> str:
    return "$".join(
        (
            "scrypt",
            *(str(part) for part in (cost.n, cost.r, cost.p)),
            b64encode(salt).decode(),
            b64encode(digest).decode(),
        )
    )
