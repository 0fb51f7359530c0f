"""Two of our own servers as processes: rooms, presence, and one that is killed."""

from __future__ import annotations

from pathlib import Path

from tests.interop.certificates import make_certificates
from tests.interop.rooms import (
    NAMES,
    are_in,
    create_room,
    has,
    hears,
    in_room,
    is_alone,
    join,
    newcomer,
    say,
    server_of,
    share_a_room,
    until,
)
from tests.interop.test_federation_http import ours
from tests.interop.test_synapse_module import _hang_up, presence_is

__all__ = ["_hang_up"]

FAST = {"destination_window": "100ms", "client_window": "100ms"}


def test_presence_and_rooms_between_two_of_ours(tmp_path: Path) -> None:
    """Over verified TLS, and past the sudden death of one of them (C-11, C-12)."""
    ca, certificate = make_certificates(tmp_path)
    trust = ("--federation-ca", str(ca))
    with (
        ours(tmp_path / "one", certificate, *trust, presence=FAST) as first,
        ours(tmp_path / "two", certificate, *trust, presence=FAST) as second,
    ):
        ann, amy = newcomer(first.process), newcomer(first.process)
        bob = newcomer(second.process)
        # A room by its alias, and presence both ways.
        name = f"room{next(NAMES)}"
        room_id = create_room(ann, room_alias_name=name)
        assert join(bob, f"#{name}:{server_of(ann)}") == room_id
        until(are_in, room_id, ann, bob)
        for one, other in ((ann, bob), (bob, ann)):
            for state in ("unavailable", "org.matrix.msc3026.busy", "online"):
                one.put(state, f"now {state}")
                other.sees(one, presence_is(state, f"now {state}"))
        # One is killed, and misses what happens.
        bob.put("online", "typed before the end")
        ann.sees(bob, presence_is("online", "typed before the end"))
        second.process.kill()
        for number in range(3):
            ann.put("online", f"number {number}")
            event_id = say(ann, room_id)
        second.process.start()
        # Its first words are a sign of life: nobody waits for the next try.
        until(has, ann, room_id, say(bob, room_id))
        bob.sees(ann, presence_is("online", "number 2"))
        until(has, bob, room_id, event_id)
        assert ann.status(bob)["status_msg"] == "typed before the end"
        bob.put("unavailable", "alive")
        ann.sees(bob, presence_is("unavailable", "alive"))
        # Who leaves is seen no more.
        share_a_room(amy, bob)
        in_room(ann, room_id, "leave", {})
        until(is_alone, bob, room_id)
        ann.put("online", "elsewhere")
        amy.put("online", "after that")
        seen: list[str | None] = []
        until(hears, bob, ann, amy, "after that", seen)
        assert "elsewhere" not in seen
