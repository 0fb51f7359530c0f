"""When polls begin and return: a day as servers see it, who know of clients by polls.

A connected client polls `/sync`. A poll returns when something happens in a room of the
user's, or else when its time is up; a moment later comes the next one. Presence is left
out of what ends a poll, though it does: when it is told is what differs between those
who are compared, and all of them have to be given the same polls.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import pairwise
from math import inf
from operator import itemgetter

from contrib.bench.day import Event
from contrib.bench.neighbourhood import Room

#: Seconds a poll waits: the `timeout` that matrix-js-sdk, and with it Element, and
#: matrix-rust-sdk ask for if they are not told otherwise.
WAITS = 30.0
#: Seconds from the end of a poll to the next one: an answer and a request cross the
#: network, and in between a client takes in what it was told.
GAP = 0.2


class Timelines:
    """Which message of a day is in which room, so that one knows who is woken by it.

    Each message or receipt is in some room of its user's, all alike: nothing is known
    of where people talk. Users of other servers say nothing.

    Args:
        events: a day.
        rooms: by number.
    """

    def __init__(
        self, events: Sequence[Event], rooms: Sequence[Room], seed: int
    ) -> None:
        chance = random.Random(seed)
        rooms_of: dict[int, list[int]] = defaultdict(list)
        for number, room in enumerate(rooms):
            for user in room.users:
                rooms_of[user].append(number)
        #: By room: when something is said.
        said: list[list[float]] = [[] for _ in rooms]
        #: By message: its room. Who is in no room talks to nobody.
        self.room_of: dict[Event, int] = {}
        for event in events:
            if event.what == "active" and event.user in rooms_of:
                number = chance.choice(rooms_of[event.user])
                self.room_of[event] = number
                said[number].append(event.at)
        #: By user: those of their rooms.
        self._said = {
            user: [said[number] for number in numbers if said[number]]
            for user, numbers in rooms_of.items()
        }

    def news_after(self, user: int, at: float) -> float:
        """When the user hears something next, be it from themselves."""
        soonest = inf
        for said in self._said.get(user, ()):
            place = bisect_right(said, at)
            if place < len(said) and said[place] < soonest:
                soonest = said[place]
        return soonest


def polled(events: Sequence[Event], timelines: Timelines) -> Iterator[Event]:
    """The same day, in order, with the polls of its devices.

    In it `online` and `unavailable` are a poll that begins and says so, and `gone` is
    one that returns, or that the client gives up as it ends.
    """
    of_device: dict[tuple[int, str], list[Event]] = defaultdict(list)
    others: list[Event] = []
    for event in events:
        if event.what in ("active", "status"):
            others.append(event)
        else:
            of_device[event.user, event.device].append(event)
    polls = (_polls(said, timelines) for said in of_device.values())
    # What ends a poll comes before its end.
    return merge(others, *polls, key=itemgetter(0))


def _polls(said: Sequence[Event], timelines: Timelines) -> Iterator[Event]:
    """The polls of one device, which is gone in the end.

    What it says changes with its next poll, as in clients that have `set_presence` in
    their polls. A poll whose news came before it returns at once, and so does the very
    first one, which has all of the past to tell.
    """
    heard, begins = -inf, 0.0
    is_connected = False
    for (at, user, device, says), following in pairwise(said):
        if says == "gone":
            is_connected = False
            continue
        if not is_connected:
            is_connected, begins = True, at
        gives_up_at = following.at if following.what == "gone" else inf
        while begins < following.at:
            news = timelines.news_after(user, heard) if heard > -inf else begins
            heard = min(begins + WAITS, max(begins, news), gives_up_at)
            yield Event(begins, user, device, says)
            yield Event(heard, user, device, "gone")
            begins = heard + GAP
