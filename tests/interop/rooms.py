"""People on several servers, and what they do and see in rooms."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from contrib.bench.people import Caller, register
from contrib.bench.servers import Server
from tests.interop.test_synapse_module import Person

#: Seconds within which something has to be seen.
PATIENCE = 45.0
NAMES = iter(range(1_000_000))
"""Numbers for what has to have a name of its own."""


def newcomer(server: Server) -> Person:
    """Somebody who has just registered."""
    caller = Caller(server.port)
    account = register(caller, f"person{next(NAMES)}")
    caller.close()
    return Person(server, account)


def server_of(person: Person) -> str:
    """The name of this person's server."""
    return person.user_id.partition(":")[2]


def create_room(creator: Person, **body: Any) -> str:
    """A public room unless said otherwise; its id."""
    body = {"preset": "public_chat", **body}
    status, answer = creator.ask("POST", "v3/createRoom", body)
    assert status == 200, answer
    room_id: str = answer["room_id"]
    return room_id


def join(person: Person, room: str, *via: Person) -> str:
    """Join by id or alias; the id."""
    query = "&".join(f"server_name={quote(server_of(one), safe='')}" for one in via)
    path = f"v3/join/{quote(room, safe='')}?{query}"
    status, answer = person.ask("POST", path, {})
    assert status == 200, answer
    room_id: str = answer["room_id"]
    return room_id


def in_room(person: Person, room_id: str, path: str, body: Any) -> Any:
    """What a POST under a room answers."""
    path = f"v3/rooms/{quote(room_id, safe='')}/{path}"
    status, answer = person.ask("POST", path, body)
    assert status == 200, answer
    return answer


def members(person: Person, room_id: str) -> set[str]:
    """The joined members, as this person's server has them."""
    path = f"v3/rooms/{quote(room_id, safe='')}/joined_members"
    status, answer = person.ask("GET", path)
    return set(answer["joined"]) if status == 200 else set()


def until(true: Callable[..., bool], *of: Any) -> None:
    """Wait for it to be true of these."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if true(*of):
            return
        time.sleep(0.1)
    raise AssertionError("it never came")


def share_a_room(creator: Person, guest: Person, **body: Any) -> str:
    """A room of the first that the other has joined, as both servers know; its id."""
    room_id = create_room(creator, **body)
    assert join(guest, room_id, creator) == room_id
    until(are_in, room_id, creator, guest)
    return room_id


def say(person: Person, room_id: str) -> str:
    """Send a message; its event id."""
    path = f"v3/rooms/{quote(room_id, safe='')}/send/m.room.message/{next(NAMES)}"
    status, answer = person.ask("PUT", path, {"msgtype": "m.text", "body": "hello"})
    assert status == 200, answer
    event_id: str = answer["event_id"]
    return event_id


def has(person: Person, room_id: str, event_id: str) -> bool:
    """Whether this person's server has the event."""
    path = f"v3/rooms/{quote(room_id, safe='')}/event/{quote(event_id, safe='')}"
    return person.ask("GET", path)[0] == 200


def read_back(person: Person, room_id: str) -> list[str]:
    """The ids of all messages that this person can page back to, the newest first."""
    found: list[str] = []
    path = f"v3/rooms/{quote(room_id, safe='')}/messages?dir=b&limit=5"
    token: str | None = ""
    while token is not None:
        begin = f"&from={quote(token, safe='')}" if token else ""
        status, answer = person.ask("GET", path + begin)
        assert status == 200, answer
        found += [
            event["event_id"]
            for event in answer["chunk"]
            if event["type"] == "m.room.message"
        ]
        token = answer.get("end")
    return found


def sees_offline(person: Person, other: Person) -> bool:
    """Whether the next sync tells that the other has gone."""
    told = person.sync(1, "offline").get(other.user_id)
    return told is not None and told["presence"] == "offline"


def hears(
    person: Person,
    one: Person,
    friend: Person,
    after: str,
    seen: list[str | None],
) -> bool:
    """Whether the friend says it in the next sync; notes what the one says."""
    told = person.sync(1, "offline")
    if one.user_id in told:
        seen.append(told[one.user_id].get("status_msg"))
    return told.get(friend.user_id, {}).get("status_msg") == after


def is_alone(person: Person, room_id: str) -> bool:
    """Whether nobody else is in the room."""
    return members(person, room_id) == {person.user_id}


def are_in(room_id: str, one: Person, other: Person) -> bool:
    """Whether both servers know that both are in the room."""
    both = {one.user_id, other.user_id}
    return members(one, room_id) == members(other, room_id) == both


def has_left(person: Person, room_id: str, guest: Person) -> bool:
    """Whether this person's server knows that the guest is not coming."""
    path = f"v3/rooms/{quote(room_id, safe='')}/state/m.room.member/{guest.user_id}"
    found: str = person.ask("GET", path)[1].get("membership", "")
    return found == "leave"


def is_invited(person: Person, room_id: str) -> bool:
    """Whether a first sync would show an invite to the room."""
    status, answer = person.ask("GET", "v3/sync?set_presence=offline")
    assert status == 200
    return room_id in answer.get("rooms", {}).get("invite", {})


def state_of(person: Person, room_id: str) -> dict[tuple[str, str], str]:
    """By type and state key the id of what counts, as this person's server has it."""
    path = f"v3/rooms/{quote(room_id, safe='')}/state"
    status, answer = person.ask("GET", path)
    assert status == 200, answer
    return {(each["type"], each["state_key"]): each["event_id"] for each in answer}


def agree(room_id: str, one: Person, other: Person) -> bool:
    """Whether the servers of both have the same state."""
    return state_of(one, room_id) == state_of(other, room_id)


def set_state(person: Person, room_id: str, event_type: str, content: Any) -> None:
    """Set state with an empty state key."""
    path = f"v3/rooms/{quote(room_id, safe='')}/state/{event_type}"
    status, answer = person.ask("PUT", path, content)
    assert status == 200, answer
