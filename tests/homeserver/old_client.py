"""A client from before there was /sync, on a whole server on virtual time."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from tests.homeserver.test_app import HomeserverTestCase
from tests.web.connection import Connection, Response

ALICE, BOB, CAROL = "@alice:hs.test", "@bob:hs.test", "@carol:hs.test"
OLD_VERSIONS = ("r0", "api/v1", "unstable")
VERSIONS = (*OLD_VERSIONS, "v3")


class OldClientTestCase(HomeserverTestCase):
    """Requests with the token in the query, on api/v1 unless said otherwise."""

    version = "api/v1"

    def target(self, token: str, path: str, **query: Any) -> str:
        """The path and query of a request."""
        text = urlencode({"access_token": token, **query})
        return f"/_matrix/client/{self.version}/{path}?{text}"

    def old(self, token: str, path: str, **query: Any) -> Response:
        """The response to a GET."""
        return self.connection.request("GET", self.target(token, path, **query))

    def old_json(self, token: str, path: str, **query: Any) -> Any:
        """The JSON of a successful GET."""
        response = self.old(token, path, **query)
        self.assertEqual(response.status, 200, response.body)
        return response.json

    def assertRefused(self, response: Response, status: int, errcode: str) -> None:
        """The response is this refusal."""
        self.assertEqual((response.status, response.errcode), (status, errcode))

    def events(self, token: str, start: str | None = None, **query: Any) -> Any:
        """The JSON of an /events that does not wait."""
        if start is not None:
            query["from"] = start
        return self.old_json(token, "events", **{"timeout": 0, **query})

    def now(self, token: str) -> str:
        """A token from which on nothing has happened, the client's coming included."""
        self.events(token)
        self.reactor.advance(0.1)
        end: str = self.events(token)["end"]
        return end

    def let_pass(self, seconds: float) -> None:
        """Let some time pass in which nobody does anything."""
        self.reactor.pump([seconds, 1])
        # The old one has been idle for too long.
        self.connection = Connection(self.root, self.reactor)

    def polling(self, token: str, start: str, **query: Any) -> Connection:
        """A connection on which an /events waits."""
        polling = Connection(self.root, self.reactor)
        polling.start("GET", self.target(token, "events", **{"from": start, **query}))
        return polling

    def answered(self, polling: Connection) -> Any:
        """What a poll was answered; it fails if it was not."""
        (response,) = polling.responses()
        self.assertEqual(response.status, 200, response.body)
        return response.json

    def do(self, method: str, path: str, body: Any, token: str) -> Any:
        """The JSON of a successful request on v3."""
        response = self.ask(method, path, body, token)
        self.assertEqual(response.status, 200, response.body)
        return response.json

    def say(self, token: str, text: str = "hello", room_id: str | None = None) -> str:
        """Send a message; its event id."""
        path = f"rooms/{quote(room_id or self.room_id)}/send/m.room.message"
        content = {"msgtype": "m.text", "body": text}
        event_id: str = self.do("POST", path, content, token)["event_id"]
        return event_id

    def open_room(self, token: str) -> str:
        """A new room into which everybody may look."""
        state = {
            "type": "m.room.history_visibility",
            "content": {"history_visibility": "world_readable"},
        }
        body = {"preset": "public_chat", "initial_state": [state]}
        room_id: str = self.do("POST", "createRoom", body, token)["room_id"]
        self.reactor.advance(0.1)
        return room_id

    def guest(self) -> str:
        """The token of a new guest."""
        token: str = self.ask("POST", "register?kind=guest", {}).json["access_token"]
        return token


def of_type(events: list[dict[str, Any]], event_type: str) -> list[dict[str, Any]]:
    """Those of this type."""
    return [event for event in events if event["type"] == event_type]


def presence(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The content of the presence events, by the user in it."""
    found = of_type(events, "m.presence")
    return {event["content"]["user_id"]: event["content"] for event in found}


def bodies(events: list[dict[str, Any]]) -> list[str]:
    """The texts of the messages."""
    return [event["content"]["body"] for event in of_type(events, "m.room.message")]
