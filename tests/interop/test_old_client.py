"""An old client's session over real HTTP: r0 or api/v1 only, the token in the query.

Beside it a modern client on v3, who sees nothing of the old ways.
"""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from contrib.bench.people import Account, Caller, register
from tests.interop.old_client import old_client, waiting_for
from tests.interop.running import running

#: What a modern client may be told of somebody's presence.
MODERN_KEYS = {
    "presence",
    "last_active_ago",
    "status_msg",
    "currently_active",
    "displayname",
    "avatar_url",
    "org.matrix_presence.state",
}


def modern_presence(caller: Caller, account: Account) -> dict[str, dict[str, Any]]:
    """All presence of a first /sync on v3, by sender."""
    body = caller.wanted("GET", "/_matrix/client/v3/sync", token=account.token)
    return {event["sender"]: event["content"] for event in body["presence"]["events"]}


@pytest.mark.parametrize("version", ["r0", "api/v1"])
def test_whole_session_of_an_old_client(version: str, tmp_path: Path) -> None:
    """An old client registers, looks, listens, talks and goes (A-100 to A-105)."""
    with (
        running(tmp_path, {"client_window": "100ms"}) as server,
        old_client(server, version, "dino") as dino,
        old_client(server, version, "rex") as rex,
        closing(Caller(server.port)) as modern,
        ThreadPoolExecutor(2) as pool,
    ):
        # Nothing yet, but for the own presence, which is always known.
        first = dino.begin()
        assert first["rooms"] == []
        (own,) = first["presence"]
        assert own["sender"] == own["content"]["user_id"] == dino.user_id
        assert own["content"]["last_active_ago"] >= 0
        rex.begin()

        # An invite over the stream, and the joiner's presence with the join.
        body = {"name": "Swamp", "invite": [rex.user_id], "preset": "public_chat"}
        room_id: str = dino.ask("POST", "createRoom", body)["room_id"]
        invite = rex.hear("m.room.member", membership="invite")
        assert invite["user_id"] == dino.user_id and "age" in invite
        rex.set_presence("online", status_msg="hungry")
        joined = waiting_for(pool, dino, "m.presence", status_msg="hungry")
        rex.ask("POST", f"join/{quote(room_id)}", {})
        assert joined.result(10)["content"]["user_id"] == rex.user_id
        newcomer = register(modern, "newcomer")
        path = f"/_matrix/client/v3/join/{quote(room_id)}"
        modern.wanted("POST", path, {}, newcomer.token)

        # Messages and presence, each waking a long poll.
        rex.listen()
        heard = waiting_for(pool, rex, "m.room.message", body="hello")
        event_id = dino.say(room_id, "hello")
        message = heard.result(10)
        assert message["event_id"] == event_id
        assert message["room_id"] == room_id
        assert rex.ask("GET", f"events/{quote(event_id)}")["content"]["body"] == "hello"
        seen = waiting_for(pool, rex, "m.presence", user_id=dino.user_id)
        dino.set_presence("unavailable", status_msg="digging")
        content = seen.result(10)["content"]
        assert content["presence"] == "unavailable"

        # The fourth state, as old clients see it and as the modern one does.
        seen = waiting_for(pool, rex, "m.presence", presence="free_for_chat")
        dino.set_presence("free_for_chat")
        assert seen.result(10)["sender"] == dino.user_id
        told = modern_presence(modern, newcomer)
        assert told[dino.user_id]["presence"] == "online"
        for content in told.values():
            assert set(content) <= MODERN_KEYS
            assert content["presence"] in ("online", "unavailable", "offline")

        # A room at a time, and everything at once.
        room = rex.ask("GET", f"rooms/{quote(room_id)}/initialSync", limit=1)
        users = {event["content"]["user_id"] for event in room["presence"]}
        assert users == {dino.user_id, rex.user_id, newcomer.user_id}
        (described,) = rex.begin()["rooms"]
        assert described["room_id"] == room_id

        # The stream goes on where it was, whatever happens to the server.
        last = dino.say(room_id, "before the flood")
        assert server.signal(signal.SIGTERM) == 0
        server.start()
        assert rex.hear("m.room.message")["event_id"] == last
        dino.log_in("dino")
        dino.begin()

        # The end of the session, as the other sees it.
        gone = waiting_for(
            pool, rex, "m.presence", user_id=dino.user_id, presence="offline"
        )
        dino.ask("POST", "logout/all", {})
        assert gone.result(10)["sender"] == dino.user_id
        target = f"/_matrix/client/{version}/events?access_token={dino.token}"
        assert dino.caller.call("GET", target)[0] == 401


@pytest.mark.parametrize("version", ["r0", "api/v1"])
def test_presence_list_of_an_old_client(version: str, tmp_path: Path) -> None:
    """Two who share no room: invited, accepted, seen, dropped, over the stream."""
    with (
        running(tmp_path, {"client_window": "100ms"}) as server,
        old_client(server, version, "dino") as dino,
        old_client(server, version, "stego") as stego,
        closing(Caller(server.port)) as modern,
        ThreadPoolExecutor(1) as pool,
    ):
        newcomer = register(modern, "newcomer")
        dino.begin()
        stego.begin()

        # Pending: the other is asked, and nothing is seen.
        invited = waiting_for(pool, stego, "m.presence_invite")
        dino.change_list(invite=[stego.user_id])
        invite = invited.result(10)
        assert invite["sender"] == dino.user_id
        assert invite["content"]["observed_user"] == stego.user_id
        assert dino.presence_list() == []

        # Accepted: the presence comes at once, and with each change.
        accepted = waiting_for(pool, dino, "m.presence", user_id=stego.user_id)
        stego.change_list(accept=[dino.user_id])
        accepted.result(10)
        seen = waiting_for(pool, dino, "m.presence", status_msg="grazing")
        stego.set_presence("free_for_chat", status_msg="grazing")
        event = seen.result(10)
        assert event["content"]["user_id"] == event["sender"] == stego.user_id
        assert event["content"]["presence"] == "free_for_chat"
        (entry,) = dino.presence_list()
        assert entry["user_id"] == stego.user_id
        # In one direction only, and nobody else's business.
        assert stego.presence_list() == []
        assert set(modern_presence(modern, newcomer)) <= {newcomer.user_id}

        # Dropped: nothing comes any more.
        dino.change_list(drop=[stego.user_id])
        assert dino.presence_list() == []
        dino.begin()
        stego.set_presence("unavailable", status_msg="resting")
        told = [*dino.listen(1), *dino.listen(1)]
        assert stego.user_id not in {event["sender"] for event in told}
