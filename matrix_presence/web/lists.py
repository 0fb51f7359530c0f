"""`GET` and `POST …/presence/list/{userId}` (A-4…A-6, A-60…A-70).

Only old clients know presence lists: on v3 there is nothing here, unless
`presence_lists_on_v3` says so. Beside what r0.1.0
has, the user who is invited answers with `accept` and `deny`, which hold the ids of
observers, and on unstable `?pending=in`, `out` or `all` lists what is not answered, and
`?observers=true` who was accepted, so that it can be taken back.
"""

from __future__ import annotations

from functools import partial

from matrix_presence.errors import Forbidden, GuestForbidden, InvalidParam, Suspended
from matrix_presence.ids import checked_user_id
from matrix_presence.interfaces import IHomeserver, Requester
from matrix_presence.lists import PresenceLists
from matrix_presence.view import PresenceView
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router
from matrix_presence.wire.content import OLD_WITH_THREE_STATES, Era
from matrix_presence.wire.lists import parse_list_update

#: Where lists ever were.
VERSIONS = ("r0", "unstable", "api/v1")


class ListEndpoints:
    """The two methods of a presence list; none where there are no lists."""

    def __init__(
        self,
        homeserver: IHomeserver,
        lists: PresenceLists,
        view: PresenceView,
        *,
        on_v3: bool = False,
    ) -> None:
        self._homeserver = homeserver
        self._lists = lists
        self._view = view
        self._versions = (*VERSIONS, "v3") if on_v3 else VERSIONS

    def add_to(self, router: Router, prefix: str = "_matrix/client") -> None:
        """Answer under the versions of the client API that have lists (A-4, A-5)."""
        if not self._lists.enabled:
            return
        for version in self._versions:
            own = f"{prefix}/{version}/presence/list"
            self._add(router, f"{own}/{{user_id}}", version)
            if version == "api/v1":
                self._add(router, own, version)

    def _add(self, router: Router, path: str, version: str) -> None:
        era = self._view.era(version)
        if not era.is_old:
            # Lists have one shape everywhere; the states are those of v3.
            era = OLD_WITH_THREE_STATES
        get = self._get_any if version == "unstable" else self.get
        router.add("GET", path, partial(get, era))
        router.add("POST", path, self.post)

    async def get(self, era: Era, call: Call) -> Answer:
        """Whom the requester observes, with their presence (A-62, A-63)."""
        requester = await self._owner(call)
        return 200, self._view.listed(requester.user_id, era)

    async def _get_any(self, era: Era, call: Call) -> Answer:
        """The same, or what is pending, or who observes the requester."""
        if call.query("observers") == "true":
            requester = await self._owner(call)
            return 200, self._view.observers(requester.user_id)
        which = call.query("pending")
        if which is None:
            return await self.get(era, call)
        if which not in ("in", "out", "all"):
            raise InvalidParam("'pending' must be in, out or all")
        requester = await self._owner(call)
        return 200, self._view.pending(
            requester.user_id, inwards=which != "out", outwards=which != "in"
        )

    async def post(self, call: Call) -> Answer:
        """Invite, drop, accept, deny: all of it or nothing; answered when on disk."""
        requester = await self._owner(call)
        if requester.is_suspended:
            raise Suspended("A suspended user cannot change a presence list")
        changes = parse_list_update(call.json())
        await self._lists.update(requester.user_id, changes)
        return 200, {}

    async def _owner(self, call: Call) -> Requester:
        """Who asks, if it is their own list (A-60)."""
        requester = await self._homeserver.authenticate(call.request)
        if requester.is_guest:
            raise GuestForbidden("Guests have no presence list")
        user_id = call.params.get("user_id", requester.user_id)
        if checked_user_id(user_id) != requester.user_id:
            raise Forbidden("This is the presence list of another user")
        return requester
