"""What clients are told of users and rooms of other servers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime

from matrix_presence.cache.sharing import Sharing
from matrix_presence.errors import NotFound
from matrix_presence.federation.client import FederationError
from matrix_presence.federation.people_requests import PeopleRequests
from matrix_presence.homeserver.federated.refusals import as_refusal
from matrix_presence.ids import is_server_name, is_user_id, server_of

#: Seconds for which a profile is taken to be what it was, and how many are remembered.
_GOOD_FOR = 60.0
_MOST_PROFILES = 1000

Profiles = OrderedDict[str, tuple[float, dict[str, str]]]
"""By user, those fetched last at the end: when, and what."""


@attrs.frozen(eq=False)
class RemotePeople:
    """Asks for what clients want to know, and remembers names for a moment."""

    requests: PeopleRequests
    clock: IReactorTime
    _profiles: Profiles = attrs.field(factory=OrderedDict, init=False)
    _under_way: Sharing[str, dict[str, str]] = attrs.field(factory=Sharing, init=False)

    async def profile(self, user_id: str) -> dict[str, str]:
        """Name and picture of a user of another server, as far as they are set.

        Raises:
            MatrixError: there is no such user, or their server does not say.
        """
        known = self._profiles.get(user_id)
        if known is not None and self.clock.seconds() - known[0] < _GOOD_FOR:
            return known[1]
        if not (is_user_id(user_id) and is_server_name(server_of(user_id))):
            raise NotFound("There is no such profile")
        return await self._under_way.share(user_id, lambda: self._fetched(user_id))

    async def _fetched(self, user_id: str) -> dict[str, str]:
        try:
            profile = await self.requests.profile(user_id)
        except FederationError as reason:
            raise as_refusal(server_of(user_id), reason) from reason
        self._profiles[user_id] = self.clock.seconds(), profile
        self._profiles.move_to_end(user_id)
        if len(self._profiles) > _MOST_PROFILES:
            self._profiles.popitem(last=False)
        return profile

    async def public_rooms(
        self, server: str, wish: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A page of the rooms that another server lists.

        Args:
            wish: the body of `POST /publicRooms`.
        """
        try:
            return await self.requests.public_rooms(server, wish)
        except FederationError as reason:
            raise as_refusal(server, reason) from reason

    async def device_keys(
        self, wanted: Mapping[str, Sequence[str]]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What other servers say of the devices of these users, and who said nothing.

        Returns:
            By kind of key, by user: what is known. By server: why nothing is.
        """
        answers, failures = await self._of_each(wanted, self.requests.device_keys)
        together: dict[str, Any] = {}
        for answer in answers:
            for kind, by_user in answer.items():
                together.setdefault(kind, {}).update(by_user)
        return together, failures

    async def claim_keys(
        self, wanted: Mapping[str, Mapping[str, str]]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A one-time key of each of these devices, and who said nothing."""
        answers, failures = await self._of_each(wanted, self.requests.claim_keys)
        together: dict[str, Any] = {}
        for answer in answers:
            together.update(answer)
        return together, failures

    async def _of_each(
        self,
        wanted: Mapping[str, Any],
        ask: Callable[[str, dict[str, Any]], Coroutine[Any, Any, dict[str, Any]]],
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Ask the server of each user, all of them at the same time."""
        by_server: dict[str, dict[str, Any]] = {}
        for user_id, item in wanted.items():
            by_server.setdefault(server_of(user_id), {})[user_id] = item
        answers: list[dict[str, Any]] = []
        failures: dict[str, Any] = {}

        async def one(server: str, users: dict[str, Any]) -> None:
            try:
                answers.append(await ask(server, users))
            except FederationError as reason:
                failures[server] = as_refusal(server, reason).body()

        asking = [
            Deferred.fromCoroutine(one(server, users))
            for server, users in by_server.items()
        ]
        await gatherResults(asking)
        return answers, failures
