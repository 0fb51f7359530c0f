"""Waiting for news: what the long polls of /sync and of /events have in common.

A waiting poll is one Deferred, one delayed call and one entry among those to be woken;
all three are gone when it is answered or the client has left.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from matrix_presence.errors import InvalidParam
from matrix_presence.homeserver.waiting import Waiting
from matrix_presence.web.call import Call

#: The longest a client may wait, in milliseconds.
MAX_TIMEOUT = 300_000


def timeout_of(call: Call, default: int) -> int:
    """How long the client waits for news, in milliseconds.

    Raises:
        InvalidParam: `timeout` is no number.
    """
    text = call.query("timeout")
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()):
        raise InvalidParam("'timeout' must be a number of milliseconds")
    # Longer numbers are longer than any time-out; they need not be read.
    return min(int(text[:9]), MAX_TIMEOUT)


def until_news(
    clock: IReactorTime,
    waiting: Waiting,
    key: str,
    presence: Deferred[None],
    seconds: float,
) -> Deferred[None]:
    """Fires when there may be something new, or the time is up.

    Args:
        key: what the poll is woken by; see `Waiting`.
        presence: fires when there is news of presence; cancelled with the wait.
    """
    done: Deferred[None] = Deferred()

    def fire(_: object = None) -> None:
        if not done.called:
            done.callback(None)

    timer = clock.callLater(seconds, fire)
    waiting.add(key, fire)

    def clean(result: None) -> None:
        if timer.active():
            timer.cancel()
        waiting.remove(key, fire)
        presence.cancel()
        return result

    done.addBoth(clean)
    # Cancelled when something else came first: then `done` is over already.
    presence.addCallbacks(fire, fire)
    return done
