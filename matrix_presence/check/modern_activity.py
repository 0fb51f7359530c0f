"""What counts as activity, and what only looks like it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from matrix_presence.check.bench import Bench
from matrix_presence.check.person import Person
from matrix_presence.check.polling import poll
from matrix_presence.check.registry import check
from matrix_presence.check.timers import Wait

_ACTIVE = "B-12, B-17: sending a message or reading one is a pro-active event."
_LOWERING = "B-15, X-4: raising availability counts as activity, lowering never does."
#: Seconds after which activity can be told from none.
_GAP = 2.0
#: ms since an activity that was just now, on a slow machine.
_JUST_NOW = 1000
#: As it would look to somebody without the keys.
_ENCRYPTED = {
    "algorithm": "m.megolm.v1.aes-sha2",
    "ciphertext": "AwgAEhAmatrixpresencecheck",
    "device_id": "CHECK",
    "sender_key": "check",
    "session_id": "check",
}

Act = Callable[[], Awaitable[Any]]


@check(73, "message-is-activity", source=_ACTIVE, wait=Wait(more=_GAP))
async def message_is_activity(bench: Bench) -> None:
    """Sending a message resets the last active time."""
    await bench.b.put("online")
    await _is_activity(bench, "a message", lambda: bench.b.send(bench.room_id))


@check(74, "encrypted-message-is-activity", source=_ACTIVE, wait=Wait(more=_GAP))
async def encrypted_message_is_activity(bench: Bench) -> None:
    """Sending an encrypted message resets the last active time too."""
    await bench.b.put("online")
    await _is_activity(
        bench,
        "an encrypted message",
        lambda: bench.b.send(bench.room_id, "m.room.encrypted", _ENCRYPTED),
    )


@check(75, "reading-is-activity", source=_ACTIVE, wait=Wait(more=3 * _GAP))
async def reading_is_activity(bench: Bench) -> None:
    """A receipt, typing and a read marker each reset the last active time."""
    await bench.b.put("online")
    room = f"rooms/{quote(bench.room_id, '')}"
    first = await bench.a.send(bench.room_id)
    second = await bench.a.send(bench.room_id)
    typing = f"{room}/typing/{quote(bench.b.user_id, '')}"
    receipt = f"{room}/receipt/m.read/{quote(first, '')}"
    for what, act in (
        ("a receipt", lambda: bench.b.done("POST", receipt, {})),
        (
            "typing",
            lambda: bench.b.done("PUT", typing, {"typing": True, "timeout": 1000}),
        ),
        (
            "a read marker",
            lambda: bench.b.done(
                "POST",
                f"{room}/read_markers",
                {"m.fully_read": second, "m.read": second},
            ),
        ),
    ):
        await _is_activity(bench, what, act)


@check(
    76,
    "polling-is-no-activity",
    source="B-18: only pro-active events count, and a continued poll is none.",
    wait=Wait(more=3.0),
)
async def polling_is_no_activity(bench: Bench) -> None:
    """The last active time goes on growing while a client does nothing but poll."""
    await bench.b.put("online")
    await bench.b.sync(set_presence="online")
    polling = bench.start(poll(bench, bench.b, 3.0, every=1.0))
    await bench.sleep(0.5)
    before, before_at = await _ago(bench.b), bench.now()
    await polling
    grown, passed = await _ago(bench.b) - before, bench.now() - before_at
    bench.require(
        abs(grown - passed) <= 500, f"in {passed} ms of polling it grew by {grown} ms"
    )


@check(84, "lowering-is-no-activity", source=_LOWERING, wait=Wait(more=_GAP))
async def lowering_is_no_activity(bench: Bench) -> None:
    """Going from online to unavailable does not reset the last active time."""
    await bench.b.put("online")
    await bench.sleep(_GAP)
    before = await _ago(bench.b)
    await bench.b.put("unavailable")
    after = await _ago(bench.b)
    bench.require(after >= before, f"last_active_ago went from {before} to {after}")


@check(
    85,
    "online-again-is-activity",
    source="A-29: “the activity time is updated to reflect that activity”.",
    wait=Wait(more=_GAP),
)
async def online_again_is_activity(bench: Bench) -> None:
    """Setting online who is online already resets the last active time."""
    await bench.b.put("online")
    await _is_activity(bench, "a PUT of online", lambda: bench.b.put("online"))


@check(
    86,
    "message-while-offline",
    source="B-47: offline suppresses, or a message brings one back: both are read.",
)
async def message_while_offline(bench: Bench) -> None:
    """Who has set offline and sends a message stays offline, or is online."""
    await bench.b.put("offline")
    await bench.b.send(bench.room_id)
    await bench.sleep(1.0)
    presence = (await bench.b.status())["presence"]
    bench.require(presence != "unavailable", "B is unavailable")
    bench.note(f"who has set offline and sends a message is {presence}")


async def _is_activity(bench: Bench, what: str, act: Act) -> None:
    """Have B do something after a while of nothing, and their last activity be new."""
    await bench.sleep(_GAP)
    before = await _ago(bench.b)
    bench.require(before > _JUST_NOW, f"before {what} last_active_ago is {before}")
    await act()
    await bench.eventually(
        lambda: _ago(bench.b),
        lambda ago: ago < _JUST_NOW,
        f"{what} does not reset last_active_ago",
        within=_JUST_NOW / 1000 - 0.1,
    )


async def _ago(person: Person) -> int:
    ago: int = (await person.status())["last_active_ago"]
    return ago
