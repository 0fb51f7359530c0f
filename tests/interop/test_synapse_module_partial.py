"""The module in a Synapse that has joined a room and does not know its members yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pytest

from contrib.bench.people import Caller, register, share_a_room
from tests.interop.test_synapse_module import (
    PATIENCE,
    Person,
    _hang_up,
    change,
    presence_is,
)
from tests.interop.test_synapse_module_federation import federating, started

__all__ = ["_hang_up"]

#: Long enough that nobody idles or leaves by themselves.
_CALM = {
    "idle_timeout": "10m",
    "last_active_granularity": "1m",
    "sync_online_timeout": "10m",
}


@attrs.frozen
class Sides:
    """Alice, on the server with the module, and those on the other, which has none."""

    alice: Person
    dave: Person
    erin: Person
    frank: Person
    #: While this file is there, the other server tells nobody the state of its rooms.
    held: Path


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[Sides]:
    """Both started, with everybody; no room is shared."""
    ours = federating(tmp_path / "ours", {"destination_window": "100ms"}, _CALM)
    stock = federating(tmp_path / "stock", None, _CALM)
    held = tmp_path / "held"
    module = "tests.interop.held_state.HeldState"
    change(stock, {"modules": [{"module": module, "config": {"held": str(held)}}]})
    with started(ours, stock):
        found = []
        for server, names in ((ours, ("alice",)), (stock, ("dave", "erin", "frank"))):
            caller = Caller(server.port)
            found += [Person(server, register(caller, name)) for name in names]
            caller.close()
        alice, dave, erin, frank = found
        yield Sides(alice, dave, erin, frank, held)
        held.unlink(missing_ok=True)


def join(person: Person, room_id: str, resident: Person) -> None:
    """Join a room by the server of one of its members."""
    via = resident.user_id.partition(":")[2]
    path = f"v3/join/{quote(room_id, safe='')}?server_name={quote(via)}"
    status, answer = person.ask("POST", path, {})
    assert status == 200, answer


def hidden(observed: Person, observer: Person) -> bool:
    """Whether the one may not see the other."""
    path = f"v3/presence/{quote(observed.user_id, safe='')}/status"
    return observer.ask("GET", path)[0] == 403


def until(found: Callable[[], Any]) -> None:
    """Look again and again until it is found."""
    deadline = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < deadline, "not found"
        time.sleep(0.05)


def test_members_of_a_partial_room_are_seen_once_it_is_complete(sides: Sides) -> None:
    """Nobody is shown wrongly before; what they said before counts, none is lost.

    The other server tells of its members when it learns of the join, and of what they
    set later, and does not do so again when the room is complete.
    """
    alice, dave, erin, frank = sides.alice, sides.dave, sides.erin, sides.frank
    told: dict[str, dict[str, Any]] = {}

    def has_been_told(*people: Person) -> bool:
        told.update(alice.sync(0.5, "offline"))
        return all(person.user_id in told for person in people)

    # By this room it is known what has arrived.
    room_id = share_a_room(frank.caller, [frank.account])
    join(alice, room_id, frank)
    frank.put("online", "first")
    alice.sees(frank, presence_is("online", "first"))
    name = {"preset": "public_chat", "name": "A room without heroes"}
    room_id = dave.ask("POST", "v3/createRoom", name)[1]["room_id"]
    assert erin.ask("POST", f"v3/join/{quote(room_id, safe='')}", {})[0] == 200
    dave.put("unavailable", "since before")
    erin.put("online", "since before")

    sides.held.touch()
    join(alice, room_id, dave)
    until(sides.held.read_text)
    alice.put("online", "has come")
    erin.put("unavailable", "since then")
    frank.put("online", "second")
    until(lambda: has_been_told(frank))
    assert {dave.user_id, erin.user_id}.isdisjoint(told)
    assert hidden(dave, alice) and hidden(erin, alice)

    sides.held.unlink()
    until(lambda: has_been_told(dave, erin))
    for person, message in ((dave, "since before"), (erin, "since then")):
        is_right = presence_is("unavailable", message)
        assert is_right(told[person.user_id])
        assert is_right(alice.status(person))
    dave.sees(alice, presence_is("online", "has come"))
