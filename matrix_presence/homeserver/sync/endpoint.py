"""GET /sync: what is new, or a wait until something is.

A waiting /sync is one Deferred, one delayed call and one entry among those to be woken;
all three are gone when it is answered or the client has left.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.server import Request

from matrix_presence.errors import InvalidParam
from matrix_presence.homeserver.api.paths import serve
from matrix_presence.homeserver.sync.answer import AccountSide, Answers, PresenceSide
from matrix_presence.homeserver.sync.filters import (
    ALL,
    SyncFilter,
    parse_filter,
    parse_inline_filter,
)
from matrix_presence.homeserver.sync.rooms import Ask
from matrix_presence.homeserver.sync.token import SyncToken, parse_sync_token
from matrix_presence.homeserver.waiting import Waiting
from matrix_presence.interfaces import Requester
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router

#: The longest a client may wait, in milliseconds.
MAX_TIMEOUT = 300_000

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

    async def __call__(self, call: Call) -> Answer:
        """Answer one /sync."""
        requester = self._authenticate(call.request)
        since_text = call.query("since")
        since = parse_sync_token(since_text) if since_text else None
        ask = Ask(
            requester,
            self._filter(requester.user_id, call.query("filter")),
            _flag(call, "full_state"),
            self._accounts.ignored(requester.user_id),
        )
        # A client that lost its state has no time to wait for more.
        timeout = 0 if ask.full_state else _timeout(call)
        with self._presence.connected(requester, call.query("set_presence")):
            answer, now = self._answers.answer(ask, since)
            if answer is not None:
                return answer
            deadline = self._clock.seconds() + timeout / 1000
            while (left := deadline - self._clock.seconds()) > 0:
                await self._news(ask, now, left)
                answer, now = self._answers.answer(ask, now)
                if answer is not None:
                    return answer
            return self._answers.encoded(ask, {}, now)

    def _news(self, ask: Ask, since: SyncToken, seconds: float) -> Deferred[None]:
        """Fires when there may be something new, or the time is up."""
        user_id = ask.user_id
        done: Deferred[None] = Deferred()

        def fire(_: object = None) -> None:
            if not done.called:
                done.callback(None)

        presence = self._presence.wait(user_id, since.presence, ask.only.presence)
        timer = self._clock.callLater(seconds, fire)
        self._waiting.add(user_id, fire)

        def clean(result: None) -> None:
            if timer.active():
                timer.cancel()
            self._waiting.remove(user_id, fire)
            presence.cancel()
            return result

        done.addBoth(clean)
        # Cancelled when something else came first: then `done` is over already.
        presence.addCallbacks(fire, fire)
        return done

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


def _timeout(call: Call) -> int:
    """How long the client waits for news, in milliseconds."""
    text = call.query("timeout", "0")
    if not (text.isascii() and text.isdecimal()):
        raise InvalidParam("'timeout' must be a number of milliseconds")
    # Longer numbers are longer than any time-out; they need not be read.
    return min(int(text[:9]), MAX_TIMEOUT)


def add_routes(router: Router, endpoint: SyncEndpoint) -> None:
    """Serve /sync."""
    serve(router, "GET", "sync", endpoint)
