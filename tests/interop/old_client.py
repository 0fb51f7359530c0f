"""A client of r0.1.0 over real HTTP: it knows /events, and no /sync."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import attrs

from contrib.bench.people import Caller
from contrib.bench.servers import Server

PASSWORD = "m.login.password"


@attrs.define
class OldClient:
    """A client that knows /events, and no /sync."""

    caller: Caller
    version: str
    user_id: str = ""
    token: str = ""
    #: Where its stream goes on.
    place: str = ""

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The JSON of a request that has to succeed."""
        if self.token:
            query["access_token"] = self.token
        target = f"/_matrix/client/{self.version}/{path}?{urlencode(query)}"
        return self.caller.wanted(method, target, body)

    def sign_up(self, localpart: str) -> None:
        """Register, as clients of this version do."""
        secret = "correct horse " + localpart
        if self.version == "api/v1":
            flows = self.ask("GET", "register")["flows"]
            assert {"type": PASSWORD} in flows
            body: Any = {"type": PASSWORD, "user": localpart, "password": secret}
        else:
            auth = {"type": "m.login.dummy"}
            body = {"username": localpart, "password": secret, "auth": auth}
        answer = self.ask("POST", "register", body)
        self.user_id, self.token = answer["user_id"], answer["access_token"]

    def log_in(self, localpart: str) -> None:
        """Log in by name and password."""
        secret = "correct horse " + localpart
        body = {"type": PASSWORD, "user": localpart, "password": secret}
        self.token = self.ask("POST", "login", body)["access_token"]

    def begin(self) -> Any:
        """The initial sync; the stream goes on from there."""
        body = self.ask("GET", "initialSync", limit=5)
        self.place = body["end"]
        return body

    def listen(self, seconds: float = 0.0) -> list[dict[str, Any]]:
        """What the stream has next, after a wait if there is nothing."""
        query = {"from": self.place, "timeout": int(seconds * 1000)}
        body = self.ask("GET", "events", **query)
        assert body["start"] == self.place
        self.place = body["end"]
        chunk: list[dict[str, Any]] = body["chunk"]
        return chunk

    def hear(self, event_type: str, **content: Any) -> dict[str, Any]:
        """The next event of this type, with these keys in its content."""
        for _ in range(20):
            for event in self.listen(5):
                if event["type"] != event_type:
                    continue
                if content.items() <= event["content"].items():
                    return event
        raise AssertionError(f"{event_type} with {content} did not come")

    def set_presence(self, presence: str, **more: str) -> None:
        """Set the own status."""
        path = f"presence/{quote(self.user_id)}/status"
        self.ask("PUT", path, {"presence": presence, **more})

    def change_list(self, **changes: list[str]) -> None:
        """Invite to the own presence list, drop from it, or answer an invite."""
        self.ask("POST", f"presence/list/{quote(self.user_id)}", changes)

    def presence_list(self) -> list[dict[str, Any]]:
        """Those whom the user observes."""
        entries: list[dict[str, Any]] = self.ask(
            "GET", f"presence/list/{quote(self.user_id)}"
        )
        return entries

    def say(self, room_id: str, text: str) -> str:
        """Send a message as api/v1 did; its event id."""
        path = f"rooms/{quote(room_id)}/send/m.room.message"
        body = {"msgtype": "m.text", "body": text}
        event_id: str = self.ask("POST", path, body)["event_id"]
        return event_id


@contextmanager
def old_client(server: Server, version: str, localpart: str) -> Iterator[OldClient]:
    """A client with an account of its own."""
    with closing(Caller(server.port)) as caller:
        client = OldClient(caller, version)
        client.sign_up(localpart)
        yield client


def waiting_for(
    pool: ThreadPoolExecutor, client: OldClient, event_type: str, **content: Any
) -> Future[dict[str, Any]]:
    """An event that the client hears in a thread of its own."""
    return pool.submit(client.hear, event_type, **content)
