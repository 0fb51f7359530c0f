"""The embedded homeserver as it is put together: presence through its whole API."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from signedjson.key import generate_signing_key
from twisted.internet.testing import MemoryReactorClock

from matrix_presence.config import parse
from matrix_presence.homeserver import slices
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.app import EmbeddedHomeserver
from matrix_presence.homeserver.passwords import Passwords
from matrix_presence.homeserver.room_side import RoomSide
from matrix_presence.homeserver.settings import ServeConfig
from matrix_presence.homeserver.signing_keys import signing_key
from matrix_presence.options import ConfigError
from matrix_presence.storage.database import Database
from tests.base import TestCase
from tests.homeserver.accounts import CHEAP, at_once
from tests.web.connection import Connection, Response

CLIENT = "/_matrix/client/v3/"


class HomeserverTestCase(TestCase):
    """One server, its clients on in-memory connections, all on virtual time."""

    rate_limit = False

    def setUp(self) -> None:
        """A server with two users who share a room."""
        self.reactor: Any = MemoryReactorClock()
        self.reactor.advance(1_790_000_000)
        self.database = Database.immediate()
        migrated = self.database.migrate("homeserver", "matrix_presence.homeserver")
        self.successResultOf(migrated)
        self.key = generate_signing_key("a_test")
        self.start()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        made = self.ask("POST", "createRoom", {"preset": "public_chat"}, self.alice)
        self.room_id: str = made.json["room_id"]
        self.ask("POST", f"join/{quote(self.room_id)}", {}, self.bob)
        self.reactor.advance(1)

    def start(self, **options: Any) -> None:
        """Start the server from what is in the database."""
        config = ServeConfig(
            server_name="hs.test",
            data=Path("unused"),
            database="sqlite://",
            listen=("tcp:8008:interface=127.0.0.1",),
            open_registration=True,
            rate_limit=self.rate_limit,
            app_services=(),
            presence=parse(options),
        )

        async def made() -> EmbeddedHomeserver:
            accounts = await Accounts.load(
                self.database, "hs.test", self.reactor, Passwords(at_once, CHEAP)
            )
            rooms = await RoomSide.load(self.database, accounts, self.key, self.reactor)
            return EmbeddedHomeserver(
                self.reactor, config, self.kept(), accounts, rooms
            )

        self.server = self.done(made())
        started = self.server.startService()
        self.reactor.advance(0)
        self.successResultOf(started)
        site = self.reactor.tcpServers[-1][1]
        self.root = site.resource
        self.connection = Connection(self.root, self.reactor)

    def kept(self) -> Any:
        """The database, which outlives the server that closes it."""
        return _Kept(self.database)

    def done(self, coroutine: Any) -> Any:
        """What a coroutine that has to wait for nothing returns."""
        return self.successResultOf(coroutine)

    def stop(self) -> None:
        """End the server in order."""
        self.successResultOf(self.server.stopService())

    def ask(
        self, method: str, path: str, body: Any = None, token: str | None = None
    ) -> Response:
        """The response to one request of the client-server API."""
        content = {} if body is None and method != "GET" else body
        if method == "GET":
            return self.connection.request(method, CLIENT + path, token=token)
        return self.connection.request(method, CLIENT + path, content, token=token)

    def register(self, name: str) -> str:
        """A new user; their access token."""
        body = {
            "username": name,
            "password": "wonderland",
            "auth": {"type": "m.login.dummy"},
        }
        token: str = self.ask("POST", "register", body).json["access_token"]
        return token

    def put(self, name: str, token: str, presence: str, **more: str) -> Response:
        """The response to setting a status."""
        path = f"presence/@{name}:hs.test/status"
        return self.ask("PUT", path, {"presence": presence, **more}, token)

    def sync(self, token: str, since: str | None = None, **query: str) -> Any:
        """The body of a /sync that does not wait."""
        if since:
            query["since"] = since
        text = "&".join(f"{key}={quote(value)}" for key, value in query.items())
        response = self.ask("GET", f"sync?{text}", token=token)
        self.assertEqual(response.status, 200, response.body)
        return response.json

    def seen(self, body: Any) -> dict[str, Any]:
        """The presence in the body of a /sync, by localpart."""
        events = body.get("presence", {}).get("events", [])
        return {
            event["sender"].partition(":")[0][1:]: event["content"] for event in events
        }


class HomeserverTests(HomeserverTestCase):
    """Presence through the whole of it."""

    def test_a_status_reaches_the_other_client(self) -> None:
        """What one user sets, the other's long poll is answered with."""
        since = self.sync(self.bob)["next_batch"]
        polling = Connection(self.root, self.reactor)
        path = f"{CLIENT}sync?since={since}&timeout=30000"
        polling.start("GET", path, token=self.bob)
        self.assertEqual(polling.responses(), [])
        self.put("alice", self.alice, "online", status_msg="here")
        self.reactor.advance(0.1)
        (answer,) = polling.responses()
        alice = self.seen(answer.json)["alice"]
        self.assertEqual(alice["presence"], "online")
        self.assertEqual(alice["status_msg"], "here")

    def test_a_message_is_activity(self) -> None:
        """Whoever sends a message has just been active, encrypted or not (B-17)."""
        self.put("alice", self.alice, "unavailable")
        self.reactor.advance(10)
        path = f"rooms/{quote(self.room_id)}/send/m.room.encrypted/1"
        self.ask("PUT", path, {"algorithm": "x"}, self.alice)
        status = self.ask("GET", "presence/@alice:hs.test/status", token=self.bob)
        self.assertEqual(status.json["presence"], "online")
        self.assertEqual(status.json["last_active_ago"], 0)

    def test_a_name_goes_along(self) -> None:
        """A changed display name reaches who sees the user, with both keys (D-1)."""
        self.reactor.pump([31, 1])  # She made a room, which is activity.
        since = self.sync(self.bob)["next_batch"]
        body = {"displayname": "Alice L."}
        self.ask("PUT", "profile/@alice:hs.test/displayname", body, self.alice)
        self.reactor.advance(0.1)
        alice = self.seen(self.sync(self.bob, since))["alice"]
        self.assertEqual(alice["displayname"], "Alice L.")
        self.assertEqual(alice["presence"], "offline")

    def test_logging_out_ends_it(self) -> None:
        """Without a device there is nobody (B-52)."""
        self.sync(self.alice)
        self.reactor.advance(1)
        since = self.sync(self.bob)["next_batch"]
        self.ask("POST", "logout", {}, self.alice)
        self.reactor.advance(0.1)
        body = self.sync(self.bob, since)
        self.assertEqual(self.seen(body)["alice"]["presence"], "offline")

    def test_a_deactivated_user_is_told_of_a_last_time(self) -> None:
        """Room mates learn that they are gone, and then they are hidden (D-40)."""
        self.put("alice", self.alice, "online", status_msg="bye")
        self.reactor.advance(1)
        since = self.sync(self.bob)["next_batch"]
        auth = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "alice"},
            "password": "wonderland",
        }
        answer = self.ask("POST", "account/deactivate", {"auth": auth}, self.alice)
        self.assertEqual(answer.status, 200, answer.body)
        self.reactor.advance(0.1)
        alice = self.seen(self.sync(self.bob, since))["alice"]
        self.assertEqual(alice["presence"], "offline")
        self.assertNotIn("status_msg", alice)
        hidden = self.ask("GET", "presence/@alice:hs.test/status", token=self.bob)
        nobody = self.ask("GET", "presence/@nobody:hs.test/status", token=self.bob)
        self.assertEqual(hidden.status, 403)
        self.assertEqual(hidden.body, nobody.body)

    def test_who_is_ignored_is_not_seen(self) -> None:
        """An ignored user's presence stays out of /sync (A-94)."""
        ignored: Any = {"ignored_users": {"@alice:hs.test": {}}}
        path = "user/@bob:hs.test/account_data/m.ignored_user_list"
        self.ask("PUT", path, ignored, self.bob)
        self.put("alice", self.alice, "online")
        self.reactor.advance(0.1)
        self.assertNotIn("alice", self.seen(self.sync(self.bob)))

    def test_everything_is_there_after_a_restart(self) -> None:
        """Status, rooms, ignored users and tokens outlive the process (B-53)."""
        self.put("alice", self.alice, "online", status_msg="still here")
        path = "user/@alice:hs.test/account_data/m.ignored_user_list"
        ignored: Any = {"ignored_users": {"@bob:hs.test": {}}}
        self.ask("PUT", path, ignored, self.alice)
        self.reactor.advance(1)
        since = self.sync(self.bob)["next_batch"]
        self.stop()
        self.start()
        self.assertEqual(self.seen(self.sync(self.bob))["alice"]["presence"], "online")
        self.assertNotIn("bob", self.seen(self.sync(self.alice)))
        self.reactor.pump([31, 1])
        alice = self.seen(self.sync(self.bob, since))["alice"]
        self.assertEqual(alice["presence"], "offline")
        self.assertEqual(alice["status_msg"], "still here")

    def test_metrics_are_beside_the_api(self) -> None:
        """`/metrics` is Prometheus' page; anything below it is not."""
        page = self.connection.request("GET", "/metrics")
        self.assertIn(b"matrix_presence_users", page.body)
        self.assertEqual(self.connection.request("GET", "/metrics/x").status, 404)

    def poll(self) -> Connection:
        """A /sync of Bob that waits, on a connection of the site that is served."""
        since = self.sync(self.bob)["next_batch"]
        site = self.reactor.tcpServers[-1][1]
        polling = Connection(self.root, self.reactor, site=site)
        path = f"{CLIENT}sync?since={since}&timeout=30000"
        polling.start("GET", path, token=self.bob)
        self.assertEqual(polling.responses(), [])
        return polling

    def test_who_waits_is_answered_at_the_end(self) -> None:
        """A stop ends a long poll with nothing new, and then its connection."""
        before = self.sync(self.bob)["next_batch"]
        polling = self.poll()
        stopped = self.server.stopService()
        (answer,) = polling.responses()
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["Connection"], "close")
        self.assertEqual(answer.json["next_batch"], before)
        self.assertNotIn("rooms", answer.json)
        self.assertFalse(polling.open)
        self.assertNoResult(stopped)
        polling.hang_up()
        self.successResultOf(stopped)
        self.start()
        self.assertNotIn("rooms", self.sync(self.bob, before))

    def test_a_long_answer_is_finished_at_the_end(self) -> None:
        """A /sync that is being composed at the stop is sent whole."""
        rooms = [self.room_id]
        for _ in range(3):
            made = self.ask("POST", "createRoom", {}, self.bob)
            rooms.append(made.json["room_id"])
        self.patch(slices, "SLICE", 0)
        site = self.reactor.tcpServers[-1][1]
        asking = Connection(self.root, self.reactor, site=site)
        asking.start("GET", f"{CLIENT}sync", token=self.bob)
        stopped = self.server.stopService()
        self.assertEqual(asking.responses(), [])
        self.reactor.advance(0)
        (answer,) = asking.responses()
        self.assertEqual(set(answer.json["rooms"]["join"]), set(rooms))
        asking.hang_up()
        self.successResultOf(stopped)

    def test_the_end_does_not_wait_for_a_client(self) -> None:
        """One that does not take its last answer is cut off after three seconds."""
        polling = self.poll()
        stopped = self.server.stopService()
        self.reactor.advance(2.9)
        self.assertNoResult(stopped)
        self.reactor.advance(0.2)
        self.successResultOf(stopped)
        polling.hang_up()

    def test_nothing_is_left_behind(self) -> None:
        """After the stop there is no delayed call and no listener."""
        self.sync(self.bob)
        self.connection.hang_up()
        self.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertFalse(self.server.running)


class QueryTokenTests(HomeserverTestCase):
    """A server that wants tokens in the header, on v3."""

    def start(self, **options: Any) -> None:
        """Start it with the option."""
        super().start(refuse_query_tokens_on_v3=True, **options)

    def test_v3_refuses_them_and_r0_does_not(self) -> None:
        """Old clients know nothing else (A-10)."""
        path = f"presence/@bob:hs.test/status?access_token={self.bob}"
        new = self.connection.request("GET", f"/_matrix/client/v3/{path}")
        old = self.connection.request("GET", f"/_matrix/client/r0/{path}")
        self.assertEqual((new.status, old.status), (401, 200))


class SigningKeyTests(TestCase):
    """The server's key on disk."""

    def test_it_is_made_once(self) -> None:
        """The second start finds the key of the first; nobody else may read it."""
        path = Path(self.mktemp())
        first, second = signing_key(path), signing_key(path)
        self.assertEqual(first.encode(), second.encode())
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)

    def test_a_file_without_a_key_is_refused(self) -> None:
        """One sentence names the file."""
        for text in ("", "ed25519", "ed25519 a_1 !!!", "rsa a_1 AAAA", "\n"):
            path = Path(self.mktemp())
            path.write_text(text)
            with self.assertRaisesRegex(ConfigError, str(path)):
                signing_key(path)

    def test_a_directory_is_refused(self) -> None:
        """So is what cannot be read."""
        path = Path(self.mktemp())
        path.mkdir()
        with self.assertRaisesRegex(ConfigError, str(path)):
            signing_key(path)


class _Kept:
    """A database that outlives the server that closes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def close(self) -> None:
        """Nothing: the next life uses it again."""
