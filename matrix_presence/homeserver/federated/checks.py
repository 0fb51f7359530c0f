"""Whether an event of another server is what it says, and from whom it says.

The first three of the checks on receipt: form, signatures, content hash (C-94). The
authorization rules are for the room it is put into.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from itertools import islice

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from matrix_presence.federation.keys import KeyRing, NoKey
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.federated.pdus import BadPdu, read_pdu
from matrix_presence.ids import is_server_name, server_of
from matrix_presence.wire.redaction import redacted
from matrix_presence.wire.room_versions import EventIds, RoomVersion
from matrix_presence.wire.signing import (
    BadSignature,
    content_hash_matches,
    verify_event,
)

logger = logging.getLogger(__name__)

#: Signatures of one server that are looked at.
_MOST_SIGNATURES = 4
#: Events checked in one turn of the reactor: some 5 ms.
_AT_ONCE = 25
#: Servers whose keys are asked for at the same time, for the events of one answer.
_SERVERS_AT_ONCE = 20

WantedKeys = dict[tuple[str, str], int]
"""By server and key id: when it has to have been valid, epoch ms."""


@attrs.frozen
class PduChecks:
    """Checks events with the keys of those who claim to have made them."""

    ring: KeyRing
    clock: IReactorTime

    async def checked(self, value: object, version: RoomVersion) -> Event:
        """The event that this JSON is, known to be of its sender's server.

        What its hash does not cover is taken away from it.

        Raises:
            BadPdu: it is no event, or not signed by those it has to be signed by.
        """
        return await self._verified(read_pdu(value, version))

    async def all_checked(
        self,
        values: Iterable[object],
        version: RoomVersion,
        known: Collection[str] = (),
    ) -> list[Event]:
        """These events without those that are none, in their order.

        Args:
            known: ids of events that are not wanted.
        """
        read: list[Event] = []
        wanted: WantedKeys = {}
        for number, value in enumerate(values, 1):
            try:
                event = read_pdu(value, version)
            except BadPdu as reason:
                logger.info("An event is left out: %s", reason)
            else:
                if event.event_id not in known:
                    read.append(event)
                    wanted |= _keys_of(event)
            if number % _AT_ONCE == 0:
                await self.breathe()
        await self._fetch_keys(wanted)
        good: list[Event] = []
        for number, event in enumerate(read, 1):
            try:
                good.append(await self._verified(event))
            except BadPdu as reason:
                logger.info("%s is left out: %s", event.event_id, reason)
            if number % _AT_ONCE == 0:
                await self.breathe()
        return good

    async def breathe(self) -> None:
        """Let others have the reactor."""
        await deferLater(self.clock, 0)

    async def _verified(self, event: Event) -> Event:
        for server in _signers(event):
            await self._check_signature(event, server)
        if content_hash_matches(event.pdu):
            return event
        logger.info("%s has another hash than it says", event.event_id)
        left = redacted(event.pdu, event.version)
        return Event(event.event_id, event.room_id, left, event.version)

    async def _fetch_keys(self, wanted: WantedKeys) -> None:
        """Have the keys at hand, many servers at a time instead of one by one."""
        left = iter(wanted.items())
        while batch := list(islice(left, _SERVERS_AT_ONCE)):
            asking = [
                Deferred.fromCoroutine(self.ring.key(server, key_id, valid_at))
                for (server, key_id), valid_at in batch
            ]
            for each in asking:
                each.addErrback(lambda failure: failure.trap(NoKey) and None)
            await gatherResults(asking, consumeErrors=True)
            await self.breathe()

    async def _check_signature(self, event: Event, server: str) -> None:
        if not is_server_name(server):
            raise BadPdu(f"{server!r} is no server name")
        valid_at = 0
        if event.version.enforces_key_validity:
            valid_at = event.origin_server_ts
        why: Exception = BadPdu("there is no signature")
        for key_id in _key_ids(event, server):
            try:
                key = await self.ring.key(server, key_id, valid_at)
                verify_event(event.pdu, event.version, server, key)
            except (NoKey, BadSignature) as reason:
                why = reason
            else:
                return
        raise BadPdu(f"not signed by {server}: {why}")


def _keys_of(event: Event) -> WantedKeys:
    return {
        (server, key_id): event.origin_server_ts
        for server in _signers(event)
        for key_id in _key_ids(event, server)
    }


def _key_ids(event: Event, server: str) -> list[str]:
    said: Mapping[str, object] = event.pdu["signatures"].get(server, {})
    known = (key_id for key_id in said if key_id.startswith("ed25519:"))
    return list(islice(known, _MOST_SIGNATURES))


def _signers(event: Event) -> set[str]:
    """The servers that have to have signed this event (C-92)."""
    signers = {server_of(event.sender)}
    if event.version.event_ids is EventIds.CHOSEN:
        signers.add(server_of(event.event_id))
    authorising = event.content.get("join_authorised_via_users_server")
    if event.version.restricted and event.membership == "join":
        if authorising is not None:
            signers.add(server_of(authorising))
    return signers
