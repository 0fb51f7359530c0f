"""GET /sync: what is new, or a wait until something is."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.server import Request

from matrix_presence.errors import InvalidParam
from matrix_presence.homeserver.api.paths import VERSIONS, serve
from matrix_presence.homeserver.polling import timeout_of, until_news
from matrix_presence.homeserver.sync.answer import AccountSide, Answers, PresenceSide
from matrix_presence.homeserver.sync.ask import Ask
from matrix_presence.homeserver.sync.filters import (
    ALL,
    SyncFilter,
    parse_filter,
    parse_inline_filter,
)
from matrix_presence.homeserver.sync.token import SyncToken, parse_sync_token
from matrix_presence.homeserver.waiting import Waiting
from matrix_presence.interfaces import Requester
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router
from matrix_presence.wire.content import Era

Authenticate = Callable[[Request], Requester]


class SyncEndpoint:
    """Answers GET /sync."""

    def __init__(
        self,
        authenticate: Authenticate,
        answers: Answers,
        accounts: AccountSide,
        presence: PresenceSide,
        waiting: Waiting,
        clock: IReactorTime,
    ) -> None:
        self._authenticate = authenticate
        self._answers = answers
        self._accounts = accounts
        self._presence = presence
        self._waiting = waiting
        self._clock = clock
        # A stored filter never changes.
        self._stored_filter = lru_cache(maxsize=4096)(self._read_stored_filter)

    def add_to(self, router: Router) -> None:
        """Serve /sync under every version, to each as it knows presence."""
        for version in VERSIONS:
            era = self._presence.era(version)
            serve(router, "GET", "sync", partial(self.answer, era), [version])

    async def answer(self, era: Era, call: Call) -> Answer:
        """Answer one /sync."""
        requester = self._authenticate(call.request)
        since_text = call.query("since")
        since = parse_sync_token(since_text) if since_text else None
        ask = Ask(
            requester,
            self._filter(requester.user_id, call.query("filter")),
            _flag(call, "full_state"),
            self._accounts.ignored(requester.user_id),
            era,
        )
        # A client that lost its state has no time to wait for more.
        timeout = 0 if ask.full_state else timeout_of(call, 0)
        stated = call.query("set_presence")
        with self._presence.connected(requester, stated, era):
            answer, now = await self._answers.answer(ask, since)
            if answer is not None:
                return answer
            deadline = self._clock.seconds() + timeout / 1000
            while not self._waiting.stopped:
                left = deadline - self._clock.seconds()
                if left <= 0:
                    break
                await self._news(ask, now, left)
                answer, now = await self._answers.answer(ask, now)
                if answer is not None:
                    return answer
            return self._answers.encoded(ask, {}, now)

    def _news(self, ask: Ask, since: SyncToken, seconds: float) -> Deferred[None]:
        """Fires when there may be something new, or the time is up."""
        user_id = ask.user_id
        presence = self._presence.wait(
            user_id, since.presence, ask.only.presence, ask.era
        )
        return until_news(self._clock, self._waiting, user_id, presence, seconds)

    def _filter(self, user_id: str, text: str | None) -> SyncFilter:
        """The filter of this text: JSON, or the id of a stored one.

        Raises:
            InvalidParam: it is neither.
        """
        if not text:
            return ALL
        if text.startswith("{"):
            return parse_inline_filter(text)
        return self._stored_filter(user_id, text)

    def _read_stored_filter(self, user_id: str, filter_id: str) -> SyncFilter:
        definition = self._accounts.filter(user_id, filter_id)
        if definition is None:
            raise InvalidParam("There is no such filter")
        return parse_filter(definition)


def _flag(call: Call, name: str) -> bool:
    match call.query(name):
        case None | "false":
            return False
        case "true":
            return True
    raise InvalidParam(f"'{name}' must be true or false")
