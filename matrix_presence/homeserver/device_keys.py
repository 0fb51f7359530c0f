"""Public keys of devices, handed from one client to another.

Source: client-server API, "End-to-end encryption". The server checks no signature:
clients do, and must not have to trust it. Cross-signing keys are not kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import orjson

from matrix_presence.errors import InvalidParam
from matrix_presence.homeserver.commits import written
from matrix_presence.homeserver.listeners import Listeners, tell
from matrix_presence.homeserver.positions import Positions
from matrix_presence.storage.connection import Cursor, Statement
from matrix_presence.storage.database import Database

Keys = dict[str, Any]

#: Clients ask how many of these are left, also when the answer is none.
_USUAL_ALGORITHM = "signed_curve25519"


@attrs.define
class _Fallback:
    """The key that is given when no one-time key is left."""

    key_id: str
    key: Any
    is_used: bool = False


@attrs.define(eq=False)
class _DeviceKeys:
    """What one device has uploaded."""

    #: Its identity keys; None before it has any.
    identity: Keys | None = None
    #: By `algorithm:id`, the oldest first.
    one_time: dict[str, Any] = attrs.Factory(dict)
    #: By algorithm.
    fallback: dict[str, _Fallback] = attrs.Factory(dict)


class DeviceKeys:
    """The keys of all local devices, and whose changed when."""

    def __init__(
        self, database: Database, positions: Positions, listeners: Listeners
    ) -> None:
        self._database = database
        self._positions = positions
        self._listeners = listeners
        self._users: dict[str, dict[str, _DeviceKeys]] = {}
        #: The position of each user's last change of devices.
        self._changed_at: dict[str, int] = {}

    def read(self, cursor: Cursor) -> None:
        """Take over what is stored."""
        cursor.execute("SELECT user_id, device_id, keys FROM device_keys")
        for user_id, device_id, keys in cursor.fetchall():
            self._of(user_id, device_id).identity = orjson.loads(keys)
        cursor.execute("SELECT user_id, device_id, key_id, key_json FROM one_time_keys")
        for user_id, device_id, key_id, key in cursor.fetchall():
            self._of(user_id, device_id).one_time[key_id] = orjson.loads(key)
        cursor.execute(
            "SELECT user_id, device_id, algorithm, key_id, key_json, is_used"
            " FROM fallback_keys"
        )
        for user_id, device_id, algorithm, key_id, key, used in cursor.fetchall():
            fallback = _Fallback(key_id, orjson.loads(key), bool(used))
            self._of(user_id, device_id).fallback[algorithm] = fallback
        cursor.execute("SELECT user_id, position FROM device_list_changes")
        for user_id, position in cursor.fetchall():
            self._changed_at[user_id] = position
            self._positions.seen(position)

    def identity(self, user_id: str, device_id: str) -> Keys | None:
        """The identity keys of this device; None when it has not uploaded any."""
        keys = self._users.get(user_id, {}).get(device_id)
        return keys.identity if keys else None

    def counts(self, user_id: str, device_id: str) -> dict[str, int]:
        """How many one-time keys are left, by algorithm."""
        counts = Counter({_USUAL_ALGORITHM: 0})
        keys = self._users.get(user_id, {}).get(device_id)
        if keys:
            counts.update(key_id.partition(":")[0] for key_id in keys.one_time)
        return dict(counts)

    def unused_fallbacks(self, user_id: str, device_id: str) -> list[str]:
        """The algorithms for which a fallback key is there and was not yet given."""
        keys = self._users.get(user_id, {}).get(device_id)
        if not keys:
            return []
        return [name for name, key in keys.fallback.items() if not key.is_used]

    def changed_since(self, since: int, user_ids: Iterable[str]) -> list[str]:
        """Those of these users whose devices or keys changed after this position."""
        changed_at = self._changed_at
        if len(changed_at) == 0:
            return []
        return [one for one in user_ids if changed_at.get(one, -1) > since]

    async def upload(
        self,
        user_id: str,
        device_id: str,
        identity: Keys | None,
        one_time: Mapping[str, Any],
        fallback: Mapping[str, Any],
    ) -> None:
        """Keep what a device has uploaded; what is the same as before is no change.

        Args:
            one_time: by `algorithm:id`; `fallback` too.

        Raises:
            InvalidParam: a one-time key of this id is there and is another.
            NotStored: they could not be written down.
        """
        keys = self._of(user_id, device_id)
        for key_id, key in one_time.items():
            if keys.one_time.get(key_id, key) != key:
                raise InvalidParam(f"There is another one-time key {key_id}")
        address = (user_id, device_id)
        statements: list[Statement] = []
        if identity is not None and identity != keys.identity:
            keys.identity = identity
            statements.append((_STORE_IDENTITY, (*address, _text(identity))))
            statements.append(self.changed(user_id))
        for key_id, key in one_time.items():
            if key_id not in keys.one_time:
                keys.one_time[key_id] = key
                statements.append((_STORE_ONE_TIME, (*address, key_id, _text(key))))
        for key_id, key in fallback.items():
            algorithm = key_id.partition(":")[0]
            keys.fallback[algorithm] = _Fallback(key_id, key)
            row = (*address, algorithm, key_id, _text(key), 0)
            statements.append((_STORE_FALLBACK, row))
        await written(self._database, *statements)

    async def claim(
        self, user_id: str, device_id: str, algorithm: str
    ) -> dict[str, Any] | None:
        """A one-time key by its id, never given again; else the fallback; else None.

        Raises:
            NotStored: that it is gone could not be written down.
        """
        keys = self._users.get(user_id, {}).get(device_id)
        if keys is None:
            return None
        address = (user_id, device_id)
        for key_id in keys.one_time:
            if key_id.partition(":")[0] == algorithm:
                key = keys.one_time.pop(key_id)
                await written(self._database, (_TAKE_ONE_TIME, (*address, key_id)))
                return {key_id: key}
        fallback = keys.fallback.get(algorithm)
        if fallback is None:
            return None
        if not fallback.is_used:
            fallback.is_used = True
            await written(self._database, (_USE_FALLBACK, (*address, algorithm)))
        return {fallback.key_id: fallback.key}

    def changed(self, user_id: str) -> Statement:
        """The devices of this user are not what they were.

        Tells those who may want to know; answers the statement that records it.
        """
        position = self._changed_at[user_id] = self._positions.next()
        tell(self._listeners.something_for, user_id)
        tell(self._listeners.device_list_changed, user_id)
        return _STORE_CHANGE, (user_id, position)

    def forget(self, user_id: str, device_id: str) -> list[Statement]:
        """Drop the keys of a device; answers the statements that do it on disk."""
        keys = self._users.get(user_id, {}).pop(device_id, None)
        if keys is None:
            return []
        statements: list[Statement] = [
            (sql, (user_id, device_id)) for sql in _FORGET_DEVICE
        ]
        if keys.identity is not None:
            statements.append(self.changed(user_id))
        return statements

    def _of(self, user_id: str, device_id: str) -> _DeviceKeys:
        devices = self._users.setdefault(user_id, {})
        return devices.setdefault(device_id, _DeviceKeys())


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


_STORE_IDENTITY = """
INSERT INTO device_keys (user_id, device_id, keys) VALUES (?, ?, ?)
ON CONFLICT (user_id, device_id) DO UPDATE SET keys = excluded.keys
"""
_STORE_ONE_TIME = """
INSERT INTO one_time_keys (user_id, device_id, key_id, key_json) VALUES (?, ?, ?, ?)
"""
_TAKE_ONE_TIME = """
DELETE FROM one_time_keys WHERE user_id = ? AND device_id = ? AND key_id = ?
"""
_STORE_FALLBACK = """
INSERT INTO fallback_keys (user_id, device_id, algorithm, key_id, key_json, is_used)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (user_id, device_id, algorithm) DO UPDATE SET
    key_id = excluded.key_id, key_json = excluded.key_json, is_used = excluded.is_used
"""
_USE_FALLBACK = """
UPDATE fallback_keys SET is_used = 1
WHERE user_id = ? AND device_id = ? AND algorithm = ?
"""
_STORE_CHANGE = """
INSERT INTO device_list_changes (user_id, position) VALUES (?, ?)
ON CONFLICT (user_id) DO UPDATE SET position = excluded.position
"""
_FORGET_DEVICE = (
    "DELETE FROM device_keys WHERE user_id = ? AND device_id = ?",
    "DELETE FROM one_time_keys WHERE user_id = ? AND device_id = ?",
    "DELETE FROM fallback_keys WHERE user_id = ? AND device_id = ?",
)
