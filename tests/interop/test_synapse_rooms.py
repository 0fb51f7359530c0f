"""Rooms with members on a real Synapse and on ours, and their presence."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import attrs
import pytest

from contrib.bench.servers import Server, free_port, presence_server
from contrib.bench.synapse_server import synapse_installed, synapse_server
from tests.interop.certificates import make_certificates
from tests.interop.rooms import (
    NAMES,
    agree,
    are_in,
    create_room,
    has,
    has_left,
    hears,
    in_room,
    is_alone,
    is_invited,
    join,
    newcomer,
    read_back,
    say,
    sees_offline,
    server_of,
    set_state,
    share_a_room,
    until,
)
from tests.interop.test_synapse_module import Person, _hang_up, presence_is

__all__ = ["_hang_up"]

pytestmark = pytest.mark.skipif(
    not synapse_installed(), reason="Synapse is not installed"
)

#: Short, so that a test sees people idle and leave.
TIMES = {
    "idle_timeout": "3s",
    "last_active_granularity": "1s",
    "sync_online_timeout": "2s",
}
#: Nothing waits, not even for a server that has been told of much lately.
AT_ONCE = {
    "destination_window": "100ms",
    "destination_busy_window": 0,
    "client_window": "100ms",
}
BUSY = "org.matrix.msc3026.busy"


@attrs.frozen
class Peers:
    """A Synapse and one of ours."""

    theirs: Server
    ours: Server

    def people(self) -> tuple[Person, Person]:
        """Somebody new on ours, and somebody new on Synapse."""
        return newcomer(self.ours), newcomer(self.theirs)


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    """Both, on TLS too; nobody looks at certificates."""
    directory = tmp_path_factory.mktemp("rooms")
    _, certificate = make_certificates(directory)
    for name in ("theirs", "ours"):
        (directory / name).mkdir()
    port, plain = free_port(), free_port()
    listener = {"bind_addresses": ["127.0.0.1"], "type": "http"}
    theirs = synapse_server(
        directory / "theirs",
        {
            "server_name": f"localhost:{port}",
            "listeners": [
                {
                    **listener,
                    "port": plain,
                    "tls": False,
                    "resources": [{"names": ["client"]}],
                },
                {
                    **listener,
                    "port": port,
                    "tls": True,
                    "resources": [{"names": ["federation"]}],
                },
            ],
            "tls_certificate_path": str(certificate),
            "tls_private_key_path": str(certificate),
            "federation_verify_certificates": False,
            "federation_domain_whitelist": None,
            "ip_range_blacklist": [],
            "presence": {"enabled": True, **TIMES},
            # Who syncs from the start again is to see what is there now.
            "caches": {"sync_response_cache_duration": "0s"},
            "experimental_features": {"msc3026_enabled": True},
        },
    )
    theirs.port = plain
    port = free_port()
    listen = f"ssl:{port}:privateKey={certificate}:certKey={certificate}"
    ours = presence_server(
        directory / "ours",
        {**TIMES, **AT_ONCE},
        *("--listen", f"{listen}:interface=127.0.0.1"),
        *("--server-name", f"localhost:{port}"),
        *("--federation-insecure", "--no-rate-limit"),
    )
    with theirs, ours:
        yield Peers(theirs, ours)
    assert "Traceback" not in ours.log, ours.log[-8000:]


@pytest.mark.parametrize("version", ["10", "11", "12"])
def test_each_joins_a_room_of_the_other(peers: Peers, version: str) -> None:
    """And each reads what the other says there (C-80, C-81, C-92)."""
    ann, sam = peers.people()
    for creator, guest in ((sam, ann), (ann, sam)):
        room_id = share_a_room(creator, guest, room_version=version)
        for one, other in ((creator, guest), (guest, creator)):
            event_id = say(one, room_id)
            until(has, other, room_id, event_id)


@pytest.mark.parametrize("version", ["2", "11", "12"])
def test_each_reads_what_was_before_it_came(peers: Peers, version: str) -> None:
    """All of it, in order, by paging back."""
    ours, theirs = peers.people()
    for creator, guest in ((theirs, ours), (ours, theirs)):
        room_id = create_room(creator, room_version=version)
        said = [say(creator, room_id) for _ in range(12)]
        join(guest, room_id, creator)
        assert read_back(guest, room_id) == said[::-1]


@pytest.fixture(scope="module")
def pair(peers: Peers) -> Iterator[tuple[Person, Person]]:
    """Ann on ours and Sam on Synapse, who share a room."""
    ann, sam = peers.people()
    share_a_room(sam, ann)
    for person in (ann, sam):
        person.sync(set_presence="offline")
    yield ann, sam
    for person in (ann, sam):
        person.caller.close()


def test_each_sees_the_state_and_the_status_of_the_other(
    pair: tuple[Person, Person],
) -> None:
    """By /sync and by GET: online, unavailable, busy, offline (C-1, C-2)."""
    ann, sam = pair
    for one, other in ((ann, sam), (sam, ann)):
        for state in ("unavailable", BUSY, "online"):
            one.put(state, f"now {state}")
            told = other.sees(one, presence_is(state, f"now {state}"))
            got = other.status(one)
            assert (got["presence"], got["status_msg"]) == (state, f"now {state}")
            if state == "online":
                assert told["currently_active"] is True
                assert told["last_active_ago"] < 60_000
        one.put("offline", "gone")
        other.sees(one, presence_is("offline", "gone"))


def test_each_invites_the_other(peers: Peers) -> None:
    """Who accepts is in the room, and who declines is not (C-82)."""
    ann, sam = peers.people()
    for host, guest in ((ann, sam), (sam, ann)):
        for accept in (True, False):
            room_id = create_room(host, preset="private_chat", name="Tea")
            in_room(host, room_id, "invite", {"user_id": guest.user_id})
            until(is_invited, guest, room_id)
            if accept:
                assert join(guest, room_id) == room_id
                until(are_in, room_id, host, guest)
            else:
                in_room(guest, room_id, "leave", {})
                until(has_left, host, room_id, guest)
                assert not is_invited(guest, room_id)


def test_a_direct_chat_begins_with_an_invite(peers: Peers) -> None:
    """As clients make it: the invite is part of the creation (C-82)."""
    ann, sam = peers.people()
    for host, guest in ((ann, sam), (sam, ann)):
        room_id = create_room(
            host, preset="trusted_private_chat", invite=[guest.user_id], is_direct=True
        )
        until(is_invited, guest, room_id)
        join(guest, room_id)
        until(are_in, room_id, host, guest)


def test_each_finds_the_room_and_the_user_of_the_other(peers: Peers) -> None:
    """By alias and in the list of rooms, and by name (C-80)."""
    ann, sam = peers.people()
    for host, guest in ((ann, sam), (sam, ann)):
        name = f"room{next(NAMES)}"
        room_id = create_room(host, room_alias_name=name, visibility="public")
        assert join(guest, f"#{name}:{server_of(host)}") == room_id
        path = f"v3/publicRooms?server={server_of(host)}"
        status, listed = guest.ask("GET", path)
        if host is ann or status == 200:
            assert room_id in [room["room_id"] for room in listed["chunk"]]
        own = f"v3/profile/{quote(host.user_id, safe='')}/displayname"
        assert host.ask("PUT", own, {"displayname": name})[0] == 200
        assert guest.ask("GET", own) == (200, {"displayname": name})
        query: dict[str, Any] = {"device_keys": {host.user_id: []}}
        status, keys = guest.ask("POST", "v3/keys/query", query)
        assert (status, keys["failures"]) == (200, {})


@pytest.mark.parametrize("version", ["10", "11", "12"])
def test_what_both_do_at_once_leads_to_one_state(peers: Peers, version: str) -> None:
    """Both set the same state, and neither waits for the other (C-81)."""
    ann, sam = peers.people()
    for creator, guest in ((ann, sam), (sam, ann)):
        users = {guest.user_id: 50}
        if version != "12":
            users[creator.user_id] = 100
        levels = {"users": users}
        room_id = share_a_room(
            creator, guest, room_version=version, power_level_content_override=levels
        )

        def rename(person: Person, room_id: str = room_id) -> None:
            for number in range(3):
                for event_type, key in (
                    ("m.room.topic", "topic"),
                    ("m.room.name", "name"),
                ):
                    said = {key: f"{number} of {person.user_id}"}
                    set_state(person, room_id, event_type, said)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(rename, (creator, guest)))
        for one, other in ((creator, guest), (guest, creator)):
            until(has, other, room_id, say(one, room_id))
        until(agree, room_id, creator, guest)


def test_what_ours_has_missed_is_asked_for(peers: Peers) -> None:
    """After a restart: messages, and what became of the state (C-41)."""
    ann, sam = peers.people()
    room_id = share_a_room(sam, ann)
    peers.ours.stop()
    missed = [say(sam, room_id) for _ in range(10)]
    set_state(sam, room_id, "m.room.topic", {"topic": "missed"})
    peers.ours.start()
    for event_id in (*missed, say(sam, room_id)):
        until(has, ann, room_id, event_id)
    until(agree, room_id, ann, sam)
    until(has, sam, room_id, say(ann, room_id))


def test_leaving_ends_it(peers: Peers) -> None:
    """Who leaves is not seen any more by those who stay, and cannot look (C-12)."""
    ann, sam = peers.people()
    bob, sue = peers.people()
    for one, other in ((ann, sam), (sam, ann)):
        room_id = share_a_room(one, other)
        friend = bob if one is ann else sue
        share_a_room(friend, other)
        one.put("online", "here")
        other.sees(one, presence_is("online", "here"))
        in_room(one, room_id, "leave", {})
        until(is_alone, other, room_id)
        one.put("online", "elsewhere")
        friend.put("online", after := f"after {one.user_id}")
        seen: list[str | None] = []
        until(hears, other, one, friend, after, seen)
        assert "elsewhere" not in seen
        path = f"v3/presence/{quote(one.user_id, safe='')}/status"
        assert other.ask("GET", path)[0] == 403


def test_each_sees_the_other_come_and_go(pair: tuple[Person, Person]) -> None:
    """Nothing is set: they poll, and then they do not (C-1)."""
    ann, sam = pair
    for one, other in ((ann, sam), (sam, ann)):
        one.sync(set_presence="online")
        other.sees(one, lambda content: content["presence"] == "online")
        # Synapse looks for who has gone from half a minute after its start on.
        until(sees_offline, other, one)


def test_after_a_restart_of_synapse_the_newest_is_there(peers: Peers) -> None:
    """What it has missed comes as one snapshot, as soon as it is back (C-11)."""
    ann, sam = peers.people()
    room_id = share_a_room(sam, ann)
    ann.put("online", "before")
    sam.sees(ann, presence_is("online", "before"))
    peers.theirs.stop()
    for number in range(5):
        ann.put("online", f"number {number}")
        event_id = say(ann, room_id)
    ann.put("unavailable", "at last")
    peers.theirs.start()
    sam.put("online", "back")
    ann.sees(sam, presence_is("online", "back"))
    told = sam.sees(ann, lambda content: True)
    assert told["status_msg"] == "at last"
    until(has, sam, room_id, event_id)
