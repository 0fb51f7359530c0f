"""The entries of all presence lists, both ways, and what is news about them.

Nobody who has no list and is on none has anything here. Only `PresenceLists` writes.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from enum import IntEnum

from pyroaring import BitMap

from matrix_presence.cache.untold import Untold
from matrix_presence.rules.lists import Entry

_NOBODY = BitMap()


class Pairs:
    """Pairs of an observer and an observed user, found by either."""

    def __init__(self) -> None:
        #: By observer: the observed.
        self._observed: dict[int, BitMap] = {}
        #: By observed user: the observers.
        self._observers: dict[int, BitMap] = {}
        #: Everybody who is observed, and everybody who observes.
        self.observed = BitMap()
        self.observers = BitMap()

    def __bool__(self) -> bool:
        return bool(self._observed)

    def __len__(self) -> int:
        return sum(map(len, self._observed.values()))

    def __contains__(self, pair: tuple[int, int]) -> bool:
        observer, observed = pair
        return observed in self._observed.get(observer, _NOBODY)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for observer, some in self._observed.items():
            for observed in some:
                yield observer, observed

    def add(self, observer: int, observed: int) -> None:
        """The two are a pair from now on."""
        self._observed.setdefault(observer, BitMap()).add(observed)
        self._observers.setdefault(observed, BitMap()).add(observer)
        self.observed.add(observed)
        self.observers.add(observer)

    def discard(self, observer: int, observed: int) -> None:
        """The two are no pair any more."""
        if (observer, observed) not in self:
            return
        for side, key, other in (
            (self._observed, observer, observed),
            (self._observers, observed, observer),
        ):
            side[key].discard(other)
            if not side[key]:
                del side[key]
        if observed not in self._observers:
            self.observed.discard(observed)
        if observer not in self._observed:
            self.observers.discard(observer)

    def of(self, observer: int) -> BitMap:
        """Whom this user observes; not to be changed."""
        return self._observed.get(observer, _NOBODY)

    def by(self, observed: int) -> BitMap:
        """Who observes this user; not to be changed."""
        return self._observers.get(observed, _NOBODY)

    def add_observers(self, viewers: BitMap, changed: BitMap) -> None:
        """Add everybody who observes any of `changed` to `viewers`."""
        for observed in changed & self.observed:
            viewers |= self._observers[observed]


class ListNews(IntEnum):
    """What a change of an entry means to those who look."""

    #: Nobody here sees anything of it; another server may have to be told.
    NONE = 0
    #: The observer sees the observed user from now on.
    SIGHT = 1
    #: The observer does not any more, and is told so (A-71).
    FAREWELL = 2
    #: The observed user is invited (A-69).
    INVITE = 3


class ListLog:
    """What was news to whom after which position, as far back as it is kept."""

    def __init__(self, keep: int = 100_000) -> None:
        self._keep = keep
        self._order: deque[tuple[int, int]] = deque()
        #: By who looks: position, the other user, what.
        self._by_viewer: dict[int, deque[tuple[int, int, ListNews]]] = {}
        #: The position of the last entry.
        self.last = 0
        #: News after this position is all known.
        self.complete_since = 0

    def append(self, position: int, viewer: int, other: int, news: ListNews) -> None:
        """This was news to `viewer` at this position, the highest so far."""
        self._by_viewer.setdefault(viewer, deque()).append((position, other, news))
        self._order.append((position, viewer))
        self.last = position
        if len(self._order) > self._keep:
            self.complete_since, viewer = self._order.popleft()
            self._by_viewer[viewer].popleft()
            if not self._by_viewer[viewer]:
                del self._by_viewer[viewer]

    def since(self, position: int, viewer: int, news: ListNews) -> BitMap:
        """About whom there was such news to this viewer after `position`."""
        found = BitMap()
        if self.last <= position:
            return found
        for noted_at, other, kind in reversed(self._by_viewer.get(viewer, ())):
            if noted_at <= position:
                break
            if kind is news:
                found.add(other)
        return found


class Lists:
    """All entries, those of users of other servers included."""

    def __init__(self) -> None:
        self.pending = Pairs()
        self.accepted = Pairs()
        #: Accepted, though the observer's server does not want to hear of it (C-20).
        self.resting = Pairs()
        #: Pending entries of which a user of ours is asked: since when (epoch ms),
        #: the oldest first.
        self.asked: OrderedDict[tuple[int, int], int] = OrderedDict()
        self.untold = Untold()
        self.log = ListLog()
        #: Whether there ever was an entry. Where there was none, nobody has to look.
        self.used = False

    def entry(self, observer: int, observed: int) -> Entry:
        """What there is between the two."""
        if (observer, observed) in self.accepted:
            return Entry.ACCEPTED
        if (observer, observed) in self.pending:
            return Entry.PENDING
        if (observer, observed) in self.resting:
            return Entry.RESTING
        return Entry.NONE

    def put(self, observer: int, observed: int, entry: Entry) -> None:
        """What there is between the two from now on."""
        self.used = True
        for pairs, is_in in (
            (self.pending, entry is Entry.PENDING),
            (self.accepted, entry is Entry.ACCEPTED),
            (self.resting, entry is Entry.RESTING),
        ):
            if is_in:
                pairs.add(observer, observed)
            else:
                pairs.discard(observer, observed)
        if entry is not Entry.PENDING:
            self.asked.pop((observer, observed), None)

    def observed_by(self, observer: int) -> BitMap:
        """Everybody on this user's list, pending or accepted."""
        return self.pending.of(observer) | self.accepted.of(observer)

    def observers_of(self, observed: int) -> BitMap:
        """Everybody who has this user on their list, pending or accepted."""
        accepted = self.accepted.by(observed) | self.resting.by(observed)
        return self.pending.by(observed) | accepted
