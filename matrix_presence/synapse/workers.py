"""Polls that are open on other processes of the same homeserver.

A worker tells when the first poll of a device begins and when the last has ended. One
that has said nothing for a while is taken for gone, as Synapse has it: what it says
next makes that good again.
"""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.device_inputs import NO_DEVICE, OpenSync
from matrix_presence.handler import PresenceHandler
from matrix_presence.rules.states import OFFLINE

#: Seconds.
_SILENCE = 300.0

#: A user and one of their devices.
Device = tuple[str, str | None]


class WorkerPolls:
    """The open polls by process."""

    def __init__(self, clock: IReactorTime, handler: PresenceHandler) -> None:
        self._clock = clock
        self._handler = handler
        self._open: dict[str, dict[Device, OpenSync | None]] = {}
        self._silences: dict[str, IDelayedCall] = {}

    def began(self, process_id: str, user_id: str, device_id: str | None) -> None:
        """A device has polls open on that process."""
        self._heard(process_id)
        polls = self._open.setdefault(process_id, {})
        device = user_id, device_id
        if device not in polls:
            polls[device] = self._handler.sync_began(
                user_id, device_id, self._stated(user_id, device_id)
            )

    def _stated(self, user_id: str, device_id: str | None) -> int | None:
        """What the device has said last, which the worker tells in another way."""
        cache: PresenceCache = self._handler.cache
        user = cache.users.find(user_id)
        if user is None:
            return None
        row = cache.devices.find(user, device_id or NO_DEVICE)
        stated = cache.devices.read(row).presence if row >= 0 else OFFLINE
        return stated if stated != OFFLINE else None

    def ended(self, process_id: str, user_id: str, device_id: str | None) -> None:
        """The device has no poll open there any more."""
        self._heard(process_id)
        sync = self._open.get(process_id, {}).pop((user_id, device_id), None)
        if sync is not None:
            self._handler.sync_ended(sync)

    def gone(self, process_id: str) -> None:
        """The process is gone, and all of its polls with it."""
        silence = self._silences.pop(process_id, None)
        if silence is not None and silence.active():
            silence.cancel()
        for sync in self._open.pop(process_id, {}).values():
            if sync is not None:
                self._handler.sync_ended(sync)

    def _heard(self, process_id: str) -> None:
        silence = self._silences.get(process_id)
        if silence is not None:
            silence.reset(_SILENCE)
        else:
            self._silences[process_id] = self._clock.callLater(
                _SILENCE, self.gone, process_id
            )

    def stop(self) -> None:
        """Listen for silence no more."""
        for silence in self._silences.values():
            silence.cancel()
        self._silences.clear()
