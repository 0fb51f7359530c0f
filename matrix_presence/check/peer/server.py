"""The peer: a server with a name, keys, users and rooms of its own.

What it is told it keeps. What it tells others is up to the checks; see `visit`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from signedjson.key import generate_signing_key
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IAgent
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from matrix_presence.check.peer.ear import Ear
from matrix_presence.check.peer.rooms import Residence
from matrix_presence.errors import Unauthorized, Unrecognized
from matrix_presence.federation.authentication import ServerAuthentication
from matrix_presence.federation.client import FederationClient
from matrix_presence.federation.key_sources import DirectKeys
from matrix_presence.federation.keys import KeyRing
from matrix_presence.federation.notary import Notary
from matrix_presence.federation.own_keys import OwnKeys
from matrix_presence.homeserver.drafts import Signer
from matrix_presence.web.answers import send
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router
from matrix_presence.web.server_keys import ServerKeyEndpoints
from matrix_presence.web.signed import SignedRequests
from matrix_presence.web.transactions import TransactionEndpoint
from matrix_presence.wire.edu import EDU_TYPE

#: Where a server says which EDUs it wants (MSC4373).
EDU_TYPES_PATH = "/_matrix/federation/unstable/io.fsky.vel/edutypes"


class Peer:
    """A federating server that does as it is told.

    Args:
        name: the server name that others reach it by.
        agent: for it the host of a URL is the name of a server.
    """

    def __init__(self, name: str, agent: IAgent, clock: IReactorTime) -> None:
        self.name = name
        self.agent = agent
        self.clock = clock

        def now() -> int:
            return int(clock.seconds() * 1000)

        self.own = OwnKeys(name, [generate_signing_key("a_check")], [], now)
        self.ear = Ear(clock)
        #: How often somebody has come for our keys.
        self.gave_keys = 0
        #: Why the target cannot be reached, by its name; empty if it can.
        self.trouble: dict[str, str] = {}
        #: Why requests of others were refused.
        self.refused: list[str] = []
        #: Which EDUs it wants, by type; None if it does not say.
        self.edu_types: dict[str, bool] | None = None
        #: Those who ask get a 502.
        self.is_down = False
        client = FederationClient(agent, self.own, clock)
        self._ring = KeyRing(self.own, [DirectKeys(client, self.own.now)])
        signed = SignedRequests(self._origin_of, lambda origin: None)
        self.residence = Residence(Signer(name, self.own.key, clock), signed)
        self.router = self._routes(signed)
        self.resource = _Door(self)

    def _routes(self, signed: SignedRequests) -> Router:
        router = Router()
        # Tests may give it another ear.
        TransactionEndpoint(
            signed, lambda *heard: self.ear.hears(*heard), _taken
        ).add_to(router)
        vouched_for = Notary(self.own, self._ring).vouched_for
        ServerKeyEndpoints(self._document, vouched_for, "check").add_to(router)
        self.residence.add_to(router)
        devices = "_matrix/federation/v1/user/devices/{user_id}"
        router.add("GET", devices, self._devices)
        router.add("GET", EDU_TYPES_PATH.removeprefix("/"), self._edu_types)
        return router

    async def _origin_of(
        self,
        method: str,
        uri: str,
        authorization: Sequence[bytes],
        content: Mapping[str, Any] | None,
    ) -> str:
        authentication = ServerAuthentication(self.own, self._ring)
        try:
            return await authentication.origin_of(method, uri, authorization, content)
        except Unauthorized as refusal:
            self.refused.append(f"{method} {uri}: {refusal}")
            raise

    def _document(self) -> dict[str, Any]:
        self.gave_keys += 1
        return self.own.document()

    async def _devices(self, call: Call) -> Answer:
        """No device of ours sends messages; servers ask when they meet a user."""
        user_id = call.params["user_id"]
        return 200, {"user_id": user_id, "stream_id": 1, "devices": []}

    async def _edu_types(self, call: Call) -> Answer:
        if self.edu_types is None:
            raise Unrecognized("This server does not say which EDUs it wants")
        return 200, self.edu_types

    def user(self, localpart: str) -> str:
        """A user of this server; there is nothing to do to have one."""
        return f"@{localpart}:{self.name}"


def push(*entries: Any) -> dict[str, Any]:
    """The EDU that pushes these entries."""
    return {"edu_type": EDU_TYPE, "content": {"push": list(entries)}}


async def _taken(origin: str, pdus: list[Any]) -> dict[str, dict[str, Any]]:
    """What becomes of PDUs: nothing is wrong with them, and nobody reads them."""
    return {}


class _Door(Resource):
    """Lets nobody in while the peer is down."""

    isLeaf = True

    def __init__(self, peer: Peer) -> None:
        super().__init__()
        self._peer = peer

    def render(self, request: Request) -> Any:
        """Hand the request on, or turn it away."""
        if self._peer.is_down:
            send(request, 502, b'{"errcode":"M_UNKNOWN","error":"down"}')
            return NOT_DONE_YET
        return self._peer.router.render(request)
