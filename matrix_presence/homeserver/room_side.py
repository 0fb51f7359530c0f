"""The rooms of the embedded homeserver, put together."""

from __future__ import annotations

import attrs
from signedjson.types import SigningKey
from twisted.internet.interfaces import IReactorTime

from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api import (
    membership,
    public_rooms,
    reading_marks,
    room_creation,
    room_history,
    room_state,
    sending,
)
from matrix_presence.homeserver.api.room_access import Active, RoomAccess
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.drafts import Signer
from matrix_presence.homeserver.federated.elsewhere import Elsewhere
from matrix_presence.homeserver.journal import Journal
from matrix_presence.homeserver.memberships import Memberships
from matrix_presence.homeserver.old_streams.endpoints import OldStreamEndpoints
from matrix_presence.homeserver.old_streams.listener import PresenceStream
from matrix_presence.homeserver.old_streams.news import StreamNews
from matrix_presence.homeserver.old_streams.snapshots import Snapshots
from matrix_presence.homeserver.positions import Positions
from matrix_presence.homeserver.receipts import Receipts
from matrix_presence.homeserver.room_directory import RoomDirectory
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.homeserver.slices import Slices
from matrix_presence.homeserver.sync.answer import Answers, PresenceSide
from matrix_presence.homeserver.sync.endpoint import SyncEndpoint
from matrix_presence.homeserver.sync.room_parts import RoomParts
from matrix_presence.homeserver.typing_notices import TypingNotices
from matrix_presence.homeserver.waiting import Waiting
from matrix_presence.storage.database import Database
from matrix_presence.web.routes import Router


@attrs.frozen(eq=False)
class RoomSide:
    """Everything of the homeserver that is about rooms."""

    rooms: Rooms
    memberships: Memberships
    directory: RoomDirectory
    receipts: Receipts
    typing: TypingNotices
    accounts: Accounts
    clock: IReactorTime
    slices: Slices = attrs.field(init=False)

    @slices.default
    def _own_slices(self) -> Slices:
        return Slices(self.clock)

    @classmethod
    async def load(
        cls,
        database: Database,
        accounts: Accounts,
        key: SigningKey,
        clock: IReactorTime,
    ) -> RoomSide:
        """The rooms as they are stored; they follow what happens to accounts."""
        signer = Signer(accounts.server_name, key, clock)
        rooms = Rooms(signer, Journal(database), Positions(clock), Waiting(clock))
        side = cls(
            rooms,
            Memberships(rooms, accounts),
            RoomDirectory(rooms),
            Receipts(rooms),
            TypingNotices(rooms, clock),
            accounts,
            clock,
        )
        await rooms.load(side.slices)
        await side.directory.load()
        await side.receipts.load()
        listeners = accounts.listeners
        listeners.profile_changed.append(side.memberships.profile_changed)
        listeners.deactivated.append(side.memberships.deactivated)
        listeners.something_for.append(rooms.waiting.wake)
        listeners.device_list_changed.append(side._device_list_changed)
        return side

    def add_routes(
        self,
        router: Router,
        authentication: Authentication,
        presence: PresenceSide,
        active: Active,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        """Serve rooms and /sync.

        Args:
            active: told whose each pro-active event was.
            elsewhere: what takes other servers; None for a server on its own.
        """
        access = RoomAccess(
            authentication, self.rooms, self.memberships, active, elsewhere
        )
        room_creation.add_routes(router, access, self.directory)
        membership.add_routes(router, access, self.directory)
        sending.add_routes(router, access, self.directory)
        room_state.add_routes(router, access, self.directory)
        room_history.add_routes(router, access, self.accounts)
        reading_marks.add_routes(
            router, access, self.receipts, self.typing, self.accounts
        )
        public_rooms.add_routes(router, access, self.directory)
        endpoint = SyncEndpoint(
            authentication.requester,
            Answers(
                self.rooms,
                RoomParts(self.rooms, self.receipts, self.typing),
                self.accounts,
                presence,
                self.slices,
            ),
            self.accounts,
            presence,
            self.rooms.waiting,
            self.clock,
        )
        endpoint.add_to(router)

    def add_old_streams(
        self,
        router: Router,
        authentication: Authentication,
        presence: PresenceStream,
    ) -> None:
        """Serve what clients used before there was /sync."""
        rooms, receipts, accounts = self.rooms, self.receipts, self.accounts
        OldStreamEndpoints(
            authentication,
            rooms,
            accounts,
            presence,
            StreamNews(rooms, receipts, self.typing, accounts, presence),
            Snapshots(rooms, receipts, self.directory, accounts, presence, self.slices),
            self.clock,
        ).add_to(router)

    def stop(self) -> None:
        """Leave nothing in the reactor."""
        self.typing.stop()
        self.rooms.waiting.stop()

    def _device_list_changed(self, user_id: str) -> None:
        """The devices of a user are news for all who share a room."""
        self.rooms.waiting.wake_all(self.rooms.neighbours(user_id) | {user_id})
