"""Brings the events of our users to the other servers in their rooms (C-40 to C-44).

For each server the events it has yet to get, in their order; of what is in the rooms
anyway nothing is copied. A server that is down is left alone for longer and longer, or
until it gives a sign of life. It is then brought the newest events, and asks for those
before them itself. After a restart the list is made anew from the rooms and from the
position up to which each server had everything.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable
from itertools import takewhile
from operator import is_not

import attrs
from pyroaring import BitMap
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from matrix_presence.cache.backoff import Backoff
from matrix_presence.errors import MatrixError
from matrix_presence.federation.client import FederationError, Refused
from matrix_presence.federation.link import FederationLink
from matrix_presence.federation.room_answers import Pdu
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.federated.unsent import unsent_events
from matrix_presence.homeserver.journal import Journal
from matrix_presence.homeserver.room import Room
from matrix_presence.wire.canonical import canonical

logger = logging.getLogger(__name__)

#: Events in one transaction (C-40).
_A_TRANSACTION = 50
#: Events kept for a server, and for one that is down.
_MOST = 1000
_MOST_WHILE_DOWN = 50
#: Transactions under way at the same time, over all servers.
_AT_ONCE = 50
#: Transactions begun in one turn of the reactor. To encode one, sign it and look for
#: its connection takes some tenths of a millisecond.
_A_TURN = 16
#: Seconds between two looks at who may be tried again, and until it is written down who
#: has got what.
_SWEEP = 5.0
#: The server cannot read what we send, and will not the next time either.
_HOPELESS = frozenset({400, 413})


@attrs.define(eq=False)
class _Destination:
    """One other server."""

    name: str
    index: int
    #: Everything it is to have, up to this position, it has.
    position: int
    unsent: list[Event] = attrs.Factory(list)


class Outgoing:
    """What other servers have yet to be brought.

    Args:
        chance: a number from 0 up to 1, another each time.
    """

    def __init__(
        self,
        clock: IReactorTime,
        link: FederationLink,
        journal: Journal,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._link = link
        self._journal = journal
        self._destinations: dict[str, _Destination] = {}
        self._by_index: list[_Destination] = []
        self._backoff = Backoff(chance)
        #: Those that something may be sent to, in the order in which they came.
        self._ready: dict[str, None] = {}
        self._sending: dict[str, Deferred[None]] = {}
        #: Those whose position is not written down yet.
        self._moved: set[str] = set()
        #: The position of the newest event, and of the newest that is on disk.
        self._newest = self._on_disk = 0
        #: What was sent last, and its JSON.
        self._last_encoded: tuple[list[Pdu], bytes] = [], b"[]"
        #: When it is begun to wait for the disk, while that is to come.
        self._serving: IDelayedCall | None = None
        self._settling = False
        self._sweeping: IDelayedCall | None = None
        self._stopped = False

    async def load(self, rooms: Iterable[Room], server_name: str) -> None:
        """Take up what was not sent when the server went down.

        Args:
            server_name: ours.
        """
        rows = await self._journal.all_rows(
            "SELECT server_name, position FROM sent_events"
        )
        for name, position in rows:
            self._meet(name, position)
        positions = {each.name: each.position for each in self._by_index}
        for name, events in unsent_events(rooms, server_name, positions).items():
            self._destinations[name].unsent = events[-_MOST_WHILE_DOWN:]
            self._ready[name] = None
            self._newest = max(self._newest, events[-1].position)
        self._serve_soon()

    def distribute(self, _room: Room, event: Event, servers: Iterable[str]) -> None:
        """These servers are to get this event."""
        self._newest = event.position
        for name in servers:
            known = self._destinations.get(name)
            if known is None:
                # Stored together with the event.
                known = self._meet(name, event.position - 1)
                self._journal.write(_MEET, name, known.position)
            is_down = known.index in self._backoff.failing
            known.unsent.append(event)
            del known.unsent[: -(_MOST_WHILE_DOWN if is_down else _MOST)]
            if not is_down:
                self._ready[name] = None
        self._serve_soon()

    def back(self, name: str) -> None:
        """This server lives: it has sent a request or taken a transaction."""
        known = self._destinations.get(name)
        if known is not None and known.index in self._backoff.failing:
            self._backoff.is_back(known.index)
            if known.unsent:
                self._ready[name] = None
                self._serve_soon()

    def try_again(self) -> None:
        """Try those that failed: it has changed who is talked to."""
        for index in BitMap(self._backoff.failing):
            self.back(self._by_index[index].name)

    async def stop(self) -> None:
        """Send no more, and write down who has got what."""
        self._stopped = True
        for timer in (self._serving, self._sweeping):
            if timer is not None:
                timer.cancel()
        self._serving = self._sweeping = None
        for sending in list(self._sending.values()):
            sending.cancel()
        await self._write_positions()

    def _meet(self, name: str, position: int) -> _Destination:
        known = _Destination(name, len(self._by_index), position)
        self._destinations[name] = known
        self._by_index.append(known)
        return known

    def _serve_soon(self) -> None:
        """Send once the events are on disk: what others have we must not forget."""
        is_coming = self._settling or self._serving is not None
        if self._ready and not is_coming and not self._stopped:
            self._serving = self._clock.callLater(0, self._settle)

    def _settle(self) -> None:
        self._serving, self._settling = None, True
        settling = Deferred.fromCoroutine(self._settled())
        settling.addErrback(lambda why: logger.error("Events are not sent: %s", why))

    async def _settled(self) -> None:
        newest = self._newest
        try:
            await self._journal.stored()
            await self._journal.settled()
            self._on_disk = newest
        except Exception:
            self._sweep_later()
            raise
        finally:
            self._settling = False
        self._serve()

    def _serve(self) -> None:
        for _ in range(_A_TURN):
            if not self._ready or len(self._sending) >= _AT_ONCE or self._stopped:
                return
            name = next(iter(self._ready))
            del self._ready[name]
            known = self._destinations[name]
            if known.unsent and name not in self._sending:
                sending = Deferred.fromCoroutine(self._send(known))
                if not sending.called:
                    self._sending[name] = sending
                sending.addBoth(self._sent, name)
                sending.addErrback(
                    lambda why: logger.error("Events could not be sent: %s", why)
                )
        self._serve_soon()

    async def _send(self, known: _Destination) -> None:
        """One transaction after the other, until there is no more to be sent."""
        while events := self._sendable(known):
            try:
                pdus = self._encoded(events)
                results = await self._link.send_pdus(known.name, pdus)
            except FederationError as why:
                if not (isinstance(why, Refused) and why.status in _HOPELESS):
                    self._failed(known, why)
                    return
                logger.warning("%s refuses what we send: %s", known.name, why)
            else:
                _log_refusals(known.name, results)
            self._arrived(known, events[-1].position)

    def _sendable(self, known: _Destination) -> list[Event]:
        """The events of the next transaction; none if they are not on disk yet."""
        events = known.unsent[:_A_TRANSACTION]
        return list(takewhile(lambda each: each.position <= self._on_disk, events))

    def _encoded(self, events: list[Event]) -> bytes:
        """The canonical JSON of these events.

        Most servers in a room are brought the same at the same time.
        """
        pdus = [event.pdu for event in events]
        before, encoded = self._last_encoded
        # A redaction puts another object in the place of the event.
        if len(before) != len(pdus) or any(map(is_not, before, pdus)):
            encoded = canonical(pdus)
            self._last_encoded = pdus, encoded
        return encoded

    def _arrived(self, known: _Destination, position: int) -> None:
        known.position = position
        known.unsent = [each for each in known.unsent if each.position > position]
        self._backoff.is_back(known.index)
        self._moved.add(known.name)
        self._sweep_later()

    def _failed(self, known: _Destination, why: FederationError) -> None:
        self._backoff.failed(known.index, self._now())
        del known.unsent[:-_MOST_WHILE_DOWN]
        first = self._backoff.of(known.index).failures == 1
        log = logger.info if first else logger.debug
        log("%s did not get events: %s", known.name, why)
        self._sweep_later()

    def _sent(self, outcome: object, name: str) -> object:
        self._sending.pop(name, None)
        if isinstance(outcome, Failure) and outcome.check(CancelledError):
            return None  # The server stops.
        known = self._destinations[name]
        if isinstance(outcome, Failure):
            # A fault of ours, which would come again at once.
            self._backoff.failed(known.index, self._now())
            self._sweep_later()
        # Something may have come in its last moment.
        if known.unsent and known.index not in self._backoff.failing:
            self._ready[name] = None
        if self._ready:
            self._serve_soon()
        return outcome

    def _now(self) -> int:
        return int(self._clock.seconds() * 1000)

    # What time does.

    def _sweep_later(self) -> None:
        if self._sweeping is None and not self._stopped:
            self._sweeping = self._clock.callLater(_SWEEP, self._sweep)

    def _sweep(self) -> None:
        """Try those again whose time has come; write down who has got what."""
        self._sweeping = None
        now = self._now()
        failing = self._backoff.failing
        for index in BitMap(failing):
            known = self._by_index[index]
            if self._backoff.of(index).retry_ts <= now and known.unsent:
                self._ready[known.name] = None
        writing = Deferred.fromCoroutine(self._write_positions())
        writing.addErrback(lambda why: logger.error("Not written: %s", why))
        self._serve_soon()
        if any(self._by_index[index].unsent for index in failing):
            self._sweep_later()

    async def _write_positions(self) -> None:
        for name in self._moved:
            self._journal.write(_MOVE, self._destinations[name].position, name)
        self._moved.clear()
        try:
            await self._journal.stored()
        except MatrixError:
            # It is logged there. They will be brought what they have, and not mind.
            pass


def _log_refusals(name: str, results: dict[str, object]) -> None:
    for event_id, result in results.items():
        why = result.get("error") if isinstance(result, dict) else None
        # Anything else may be nested too deeply to be made a text.
        if isinstance(why, str):
            logger.info("%s refuses %s: %s", name, event_id, why)


_MEET = """
INSERT INTO sent_events (server_name, position) VALUES (?, ?)
ON CONFLICT (server_name) DO NOTHING
"""
_MOVE = "UPDATE sent_events SET position = ? WHERE server_name = ?"
