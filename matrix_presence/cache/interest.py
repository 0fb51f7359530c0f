"""Which other servers have to be told of whom.

A server is interested in our users who share a room with one of its users (C-2), as far
as the room carries presence and lets the server in (C-13), and in those who are on a
presence list there (C-24). Rooms that other servers cannot be in (C-14) and rooms
where they have no member play no part here by themselves.

The answers are pairs of destinations and users: each of the one has to be told of all
of the other. They come one by one, so that whoever takes them may pause in between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from pyroaring import BitMap

from matrix_presence.cache.indexset import as_bitmap
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.ids import server_of

Tidings = Iterator[tuple[BitMap, BitMap]]

#: Somebody offline for longer, without a status, is nothing to introduce. A week in ms.
_LONG_GONE = 7 * 24 * 3_600_000


def servers_of(cache: PresenceCache, users: Iterable[int]) -> BitMap:
    """The servers that may know of any of these users' presence."""
    servers = cache.servers.in_rooms(cache.rooms.carrying(users))
    if cache.lists.used:
        for user in users:
            servers |= _observing(cache, user)
    return servers


def _observing(cache: PresenceCache, user: int) -> BitMap:
    """The servers of those who have this user on their presence lists."""
    return cache.servers.of(cache.lists.accepted.by(user), cache.users.ids)


def visible_to(cache: PresenceCache, server: int) -> BitMap:
    """Our users whom this server may know of."""
    rooms = cache.rooms.carrying_among(as_bitmap(cache.servers.rooms_of(server)))
    visible = cache.rooms.members_of(rooms)
    if cache.lists.used:
        accepted = cache.lists.accepted
        for observer in cache.servers.residents(server) & accepted.observers:
            visible |= accepted.of(observer)
    return visible - cache.servers.users


def changed(cache: PresenceCache, users: BitMap) -> Tidings:
    """Whom to tell that something has changed about these users."""
    local = users - cache.servers.users
    rooms = cache.rooms.carrying(local) & cache.servers.rooms
    if len(rooms) < len(local):
        for room in rooms:
            members = cache.rooms.members_of((room,))
            yield cache.servers.in_room(room), members & local
    elif rooms:
        for user in local:
            destinations = servers_of(cache, (user,))
            if destinations:
                yield destinations, BitMap([user])
    if cache.lists.used:
        for user in local & cache.lists.accepted.observed:
            if destinations := _observing(cache, user):
                yield destinations, BitMap([user])


def introduced(
    cache: PresenceCache, joins: Iterable[tuple[int, int]], now: int
) -> Iterator[tuple[BitMap, BitMap, bool]]:
    """Whom to tell because of these joins of `(room, user)`, which are done (C-12).

    A server that comes into a room is told of our users there, and no other server is.
    The servers of a room are told of our users who come into it. For a room that none
    of us was in all of them come in. The third of each answer is whether these servers
    come in.
    """
    joiners_of: dict[int, BitMap] = defaultdict(BitMap)
    for room, user in joins:
        joiners_of[room].add(user)
    for room in cache.rooms.carrying_among(joiners_of) & cache.servers.rooms:
        joiners, members = joiners_of[room], cache.rooms.members_of((room,))
        inside = cache.servers.in_room(room)
        local, before = members - cache.servers.users, members - joiners
        if before.isdisjoint(local):
            newcomers = inside
        else:
            newcomers = inside & _newcomers(cache, joiners & members, before)
        known = inside - newcomers
        if newcomers and (worth := worth_telling(cache, local, now)):
            yield newcomers, worth, True
        if known and (worth := worth_telling(cache, local & joiners, now)):
            yield known, worth, False


def _newcomers(cache: PresenceCache, joiners: BitMap, before: BitMap) -> BitMap:
    """The servers of the joiners that had nobody among those before them."""
    servers, ids = cache.servers, cache.users.ids
    names = {server_of(ids[user]) for user in joiners & servers.users}
    came = {servers.index[name] for name in names}
    return BitMap([one for one in came if not servers.is_among(one, before)])


def worth_telling(cache: PresenceCache, users: BitMap, now: int) -> BitMap:
    """Those of whom there is more to say than that nothing is known.

    Also who hides: whoever is told may have shared a room with them before, and still
    show them as they were then.
    """
    present = users & cache.present
    columns, since = cache.users, now - _LONG_GONE
    offline = [
        user
        for user in users - present
        if columns.status_msg[user] or columns.last_active_ts[user] > since
    ]
    return present | BitMap(offline)
