"""Those who wait in a long poll, and when they are woken.

A waiting client is woken when something it may see has changed, no sooner than its
window allows and no faster than the budget does (`cache.attention`). What it then gets
is read at that moment, so nothing has to be queued for anybody.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from pyroaring import BitMap
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from matrix_presence.cache.attention import Attention

#: Clients woken in one turn of the reactor. Each then composes a response, which
#: takes a few tenths of a millisecond.
_A_TURN = 32


@attrs.define(eq=False)
class _Wait:
    done: Deferred[None]
    #: Whether there is really something for this client.
    has_news: Callable[[], bool]
    #: It wants all that its user may see: whatever wakes the user is news for it.
    wants_all: bool


class Waiting:
    """The open polls by user, and the one timer that serves them.

    Args:
        attention: windows and budget of clients.
    """

    def __init__(self, clock: IReactorTime, attention: Attention) -> None:
        self._clock = clock
        self._attention = attention
        self._waits: dict[int, list[_Wait]] = {}
        #: Who waits.
        self.users = BitMap()
        self._timer: IDelayedCall | None = None
        self._stopped = False
        #: Clients woken because of presence alone, since the start.
        self.woken = 0

    def __len__(self) -> int:
        return sum(map(len, self._waits.values()))

    def wait(
        self,
        user: int,
        has_news: Callable[[], bool],
        *,
        already: bool,
        wants_all: bool = False,
    ) -> Deferred[None]:
        """Fires when it is time for this client to look. Cancel it to stop waiting.

        Args:
            has_news: tells, at the moment of waking, whether there is anything for
                this client; one that would find nothing is left waiting.
            already: there is something now.
            wants_all: has no filter, and its user ignores nobody, so that there is
                no need to ask unless another device of the user waits too.
        """
        waits = self._waits.setdefault(user, [])

        def stop(_: object) -> None:
            waits.remove(wait)
            self._forget(user)

        wait = _Wait(Deferred(stop), has_news, wants_all)
        waits.append(wait)
        self.users.add(user)
        if already:
            self.changed(BitMap([user]), urgent=True)
        elif len(waits) == 1:
            # What this user was to be woken for, they have had in the meantime.
            self._attention.withdraw(user)
        return wait.done

    def changed(self, viewers: BitMap, *, urgent: bool) -> None:
        """These users may see something new."""
        waiting = viewers & self.users
        if waiting:
            self._attention.wish(waiting, urgent=urgent)
            self.serve()

    def serve(self) -> None:
        """Wake whom the windows and the budget allow; see to the others later."""
        if self._stopped:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = int(self._clock.seconds() * 1000)
        for user in self._attention.ready(self.users, now, _A_TURN):
            self._wake(user)
        again = self._attention.next_ts(self.users, now)
        if again is not None and self._timer is None:
            delay = max(0, again - now) / 1000
            self._timer = self._clock.callLater(delay, self._serve_again)

    def _serve_again(self) -> None:
        self._timer = None
        self.serve()

    def _wake(self, user: int) -> None:
        # A copy: a woken client may poll again before this returns.
        waits = list(self._waits.get(user, ()))
        for wait in waits:
            sure = wait.wants_all and len(waits) == 1
            # Waking one may have ended others.
            if wait in self._waits.get(user, ()) and (sure or wait.has_news()):
                self._waits[user].remove(wait)
                self._forget(user)
                self.woken += 1
                wait.done.callback(None)

    def _forget(self, user: int) -> None:
        if not self._waits[user]:
            del self._waits[user]
            self.users.discard(user)

    def stop(self) -> None:
        """Wake nobody from now on. Who still waits is the host's, to be cancelled."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
