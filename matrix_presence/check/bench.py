"""What one check works with: its people, their room, its time and its expectations."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar
from urllib.parse import quote

import attrs
from twisted.internet.defer import Deferred

from matrix_presence.check.accounts import account_of
from matrix_presence.check.cast import Cast
from matrix_presence.check.conversation import Conversation
from matrix_presence.check.expectations import Expectations
from matrix_presence.check.lab import Lab
from matrix_presence.check.person import Person, Synced
from matrix_presence.check.timers import Timers
from matrix_presence.check.verdicts import Failed, NotOffered, Skipped

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds within which what clients do has to be seen.
SOON = 5.0
#: Syncs after which there should be nothing new, if nobody does anything.
_MOST_NEWS = 20
#: Seconds between two looks at something that is to change.
_LOOK = 0.25


@attrs.define
class Bench(Expectations):
    """Made for one check, and cleared after it."""

    lab: Lab
    cast: Cast
    conversation: Conversation
    _afterwards: list[Callable[[], Awaitable[Any]]] = attrs.field(factory=list)

    @property
    def a(self) -> Person:
        """Shares the room with B; made it."""
        return Person(self.cast.a, self.conversation)

    @property
    def b(self) -> Person:
        """Shares the room with A."""
        return Person(self.cast.b, self.conversation)

    @property
    def c(self) -> Person:
        """Shares no room with A and B."""
        return Person(self.cast.c, self.conversation)

    @property
    def room_id(self) -> str:
        """The room of A and B: public, made by A."""
        return self.cast.room_id

    @property
    def server_name(self) -> str:
        """That of the target."""
        return self.a.server_name

    @property
    def timers(self) -> Timers:
        """The times of the target."""
        return self.lab.timers

    def now(self) -> int:
        """The time here, ms."""
        return self.lab.target.now()

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await self.conversation.sleep(seconds)

    # What is to be seen.

    async def eventually(
        self,
        look: Callable[[], Awaitable[T]],
        seen: Callable[[T], object],
        sentence: str,
        within: float = SOON,
    ) -> T:
        """What a look shows, once it is as it should be.

        Raises:
            Failed: with this sentence, when it is not so within as many seconds.
        """
        left = self._until(within)
        while not seen(found := await look()):
            if left() <= 0:
                raise Failed(sentence)
            await self.sleep(_LOOK)
        return found

    async def sees(
        self,
        observer: Person,
        since: str,
        observed: Person | str,
        seen: Callable[[dict[str, Any]], object],
        sentence: str,
        within: float = SOON,
        **more: Any,
    ) -> tuple[dict[str, Any], str]:
        """What an observer's syncs tell of somebody, once it is as it should be.

        Args:
            since: from where on.
            more: as `Person.sync` takes it.

        Returns:
            The content of the presence, and the token after it.

        Raises:
            Failed: with this sentence, when it is not told within as many seconds.
        """
        user_id = observed if isinstance(observed, str) else observed.user_id
        left = self._until(within)
        while True:
            timeout = min(max(left(), 0.0), 10.0)
            synced = await observer.sync(since, timeout=timeout, **more)
            since = synced.since
            for content in synced.all_of(user_id):
                if seen(content):
                    return content, since
            if left() <= 0:
                raise Failed(sentence)
            await self.sleep(0.05)

    def _until(self, within: float) -> Callable[[], float]:
        """How many seconds are left of these, not counting waits for rate limits.

        What is to be seen may be what is still waiting to be asked for.
        """
        began, limited = self.now(), self.conversation.limited

        def left() -> float:
            more = self.conversation.limited - limited
            return within - (self.now() - began - more) / 1000

        return left

    async def hears(
        self, observer: Person, since: str, seconds: float, **more: Any
    ) -> tuple[list[dict[str, Any]], str]:
        """The presence that an observer's syncs tell for so long; the next token."""
        events: list[dict[str, Any]] = []
        deadline = self.now() + seconds * 1000
        while (left := deadline - self.now()) > 0:
            synced = await observer.sync(since, timeout=left / 1000, **more)
            events += synced.events
            since = synced.since
            await self.sleep(0.05)
        return events, since

    async def settled(self, observer: Person, **more: Any) -> Synced:
        """A first sync of an observer, and then all that is still on its way.

        Raises:
            Failed: there is always more.
        """
        synced = await observer.sync(**more)
        for _ in range(_MOST_NEWS):
            again = await observer.sync(synced.since, timeout=1.2, **more)
            if not again.events:
                return again
            synced = again
        raise Failed("the syncs tell of presence again and again, whatever was told")

    # What a check makes, and what goes with it.

    def start(self, going_on: Coroutine[Any, Any, T]) -> Deferred[T]:
        """Let something go on beside the check; it ends with it at the latest."""
        started = Deferred.fromCoroutine(going_on)

        async def end() -> None:
            # Nobody waits for it any more, however it ended.
            started.addErrback(lambda _: None)
            started.cancel()

        self.afterwards(end)
        return started

    def afterwards(self, do: Callable[[], Awaitable[Any]]) -> None:
        """Have something done when the check has ended; the latest goes first."""
        self._afterwards.append(do)

    async def clear(self) -> None:
        """Undo what the check has made, as far as the target lets us."""
        while self._afterwards:
            try:
                await self._afterwards.pop()()
            except Exception:
                logger.debug("Something is left behind", exc_info=True)

    async def room(self, creator: Person, *members: Person, **body: Any) -> str:
        """A further room, public unless said otherwise, which they leave again."""
        body = {"preset": "public_chat", **body}
        found = await creator.done("POST", "createRoom", body)
        room_id: str = found["room_id"]
        self.afterwards(lambda: self.leave(room_id, creator))
        for member in members:
            await self.join(room_id, member)
        return room_id

    async def join(self, room_id: str, member: Person) -> None:
        """Have somebody join a room, which they leave again."""
        await member.done("POST", f"join/{quote(room_id, '')}", {})
        if room_id != self.room_id:
            self.afterwards(lambda: self.leave(room_id, member))

    async def leave(self, room_id: str, member: Person) -> None:
        """Have somebody leave a room."""
        await member.done("POST", f"rooms/{quote(room_id, '')}/leave", {})

    async def another_device(self, person: Person) -> Person:
        """The same user on a further device, which is logged out again.

        Raises:
            Skipped: we do not know their password.
        """
        password = person.account.password
        if password is None:
            raise Skipped("needs a second device; --register makes accounts for that")
        login = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": person.user_id},
            "password": password,
        }
        reply = await self.conversation.ask("POST", "/_matrix/client/v3/login", login)
        self.require(reply.status == 200, f"POST /login is answered {reply.status}")
        account = account_of(reply.json, password, self.conversation)
        device = Person(account, self.conversation)
        self.afterwards(lambda: device.ask("POST", "logout", {}))
        return device

    async def newcomer(self) -> Person:
        """A new user, in no room, who has never set a presence.

        For checks that have said to need `NEW_ACCOUNT`.
        """
        account = await self.lab.source.account(self.conversation, "new")
        self.afterwards(lambda: self.lab.source.give_back(self.conversation, account))
        return Person(account, self.conversation)

    async def guest(self) -> Person:
        """A guest.

        Raises:
            NotOffered: the target has no guests.
        """
        reply = await self.conversation.ask(
            "POST", "/_matrix/client/v3/register", {}, query={"kind": "guest"}
        )
        if reply.status != 200:
            raise NotOffered(f"no guests: registering one is answered {reply.status}")
        return Person(
            account_of(reply.json, None, self.conversation), self.conversation
        )
