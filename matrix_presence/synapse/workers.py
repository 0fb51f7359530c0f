"""Polls that are open on other processes of the same homeserver.

A worker tells when the first poll of a device begins and when the last has ended; that
is kept by process. One that has said nothing for a while is taken for gone, as Synapse
has it: what it says next makes that good again.

It also relays what polls say about their user, without its name. Where it has not told
of the device, for this process was started after the poll was, that is how the device
is known to be there.
"""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.device_inputs import NO_DEVICE
from matrix_presence.handler import PresenceHandler
from matrix_presence.rules.states import OFFLINE
from matrix_presence.synapse.inputs import (
    DEACTIVATED,
    LOGGED_OUT,
    REACTIVATED,
    SAYS_NOTHING,
)
from matrix_presence.sync_inputs import OpenSync

#: A user and one of their devices.
Device = tuple[str, str | None]

#: None for a poll that says its user is offline: it does not count as connected.
_Polls = dict[Device, OpenSync | None]


class WorkerPolls:
    """The open polls by process.

    Args:
        silence: ms after which a process that says nothing is taken for gone.
    """

    def __init__(
        self, clock: IReactorTime, handler: PresenceHandler, silence: int
    ) -> None:
        self._clock = clock
        self._handler = handler
        self._silence = silence / 1000
        self._open: dict[str, _Polls] = {}
        self._silences: dict[str, IDelayedCall] = {}
        #: Of processes that have not told: relayed in this turn, and in the one before.
        self._unnamed: _Polls = {}
        self._fading: _Polls = {}
        self._turning: IDelayedCall | None = None

    def began(self, process_id: str, user_id: str, device_id: str | None) -> None:
        """A device has polls open on that process."""
        self._heard(process_id)
        polls = self._open.setdefault(process_id, {})
        device = user_id, device_id
        if device not in polls:
            stated = self._stated(user_id, device_id)
            polls[device] = self._handler.sync_began(user_id, device_id, stated)
        self._end_unnamed(device)

    def _stated(self, user_id: str, device_id: str | None) -> int | None:
        """What the device has said last, which the worker tells in another way."""
        cache: PresenceCache = self._handler.cache
        user = cache.users.find(user_id)
        if user is None:
            return None
        row = cache.devices.find(user, device_id or NO_DEVICE)
        stated = cache.devices.read(row).presence
        return stated if stated != OFFLINE else None

    def relayed(
        self, user_id: str, device_id: str | None, presence: int, told: str | None
    ) -> None:
        """A process relays what a device says by a sync, or what became of it.

        Args:
            told: what `relays` has added; None from a process without it.
        """
        if told == LOGGED_OUT:
            self._handler.logged_out(user_id, device_id or NO_DEVICE)
        elif told == DEACTIVATED:
            self._handler.deactivated(user_id)
        elif told == REACTIVATED:
            self._handler.registered(user_id)
        else:
            stated = None if told == SAYS_NOTHING else presence
            self._synced(user_id, device_id, stated)

    def _synced(self, user_id: str, device_id: str | None, stated: int | None) -> None:
        """A poll of this device is open somewhere, and says this about its user."""
        device = user_id, device_id
        self._end_unnamed(device)
        polls = self._unnamed
        for process_id, told in self._open.items():
            if device in told:
                # A worker whose polls follow one upon the other says nothing else.
                self._heard(process_id)
                polls = told
                break
        # It follows the one before it, which then is not open any more.
        self._end(polls.pop(device, None))
        polls[device] = self._handler.sync_began(user_id, device_id, stated)
        if self._turning is None and self._unnamed:
            self._turning = self._clock.callLater(self._silence, self._turn)

    def _turn(self) -> None:
        """Who was not relayed for a whole turn is there no more."""
        over, self._fading, self._unnamed = self._fading, self._unnamed, {}
        for sync in over.values():
            self._end(sync)
        self._turning = None
        if self._fading:
            self._turning = self._clock.callLater(self._silence, self._turn)

    def ended(self, process_id: str, user_id: str, device_id: str | None) -> None:
        """The device has no poll open there any more."""
        self._heard(process_id)
        device = user_id, device_id
        self._end(self._open.get(process_id, {}).pop(device, None))
        self._end_unnamed(device)

    def gone(self, process_id: str) -> None:
        """The process is gone, and all of its polls with it."""
        silence = self._silences.pop(process_id, None)
        if silence is not None and silence.active():
            silence.cancel()
        for sync in self._open.pop(process_id, {}).values():
            self._end(sync)

    def _end_unnamed(self, device: Device) -> None:
        self._end(self._unnamed.pop(device, None))
        self._end(self._fading.pop(device, None))

    def _end(self, sync: OpenSync | None) -> None:
        if sync is not None:
            self._handler.sync_ended(sync)

    def _heard(self, process_id: str) -> None:
        silence = self._silences.get(process_id)
        if silence is not None:
            silence.reset(self._silence)
        else:
            self._silences[process_id] = self._clock.callLater(
                self._silence, self.gone, process_id
            )

    def stop(self) -> None:
        """Listen for silence no more."""
        if self._turning is not None:
            self._turning.cancel()
            self._turning = None
        for silence in self._silences.values():
            silence.cancel()
        self._silences.clear()
