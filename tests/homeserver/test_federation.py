"""The embedded homeserver among others: its options, keys and endpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from signedjson.key import generate_signing_key, get_verify_key, write_signing_keys
from treq.testing import RequestTraversalAgent
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory

from matrix_presence.federation.client import Excluded, Refused
from matrix_presence.federation.own_keys import OwnKeys
from matrix_presence.federation.tls import unverified_tls, verified_tls
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.app import EmbeddedHomeserver
from matrix_presence.homeserver.federation_side import FederationSide, federation_side
from matrix_presence.homeserver.passwords import Passwords
from matrix_presence.homeserver.room_side import RoomSide
from matrix_presence.homeserver.server_keys import StoredKeys
from matrix_presence.homeserver.settings import (
    FederationConfig,
    ServeConfig,
    parse_options,
    settle,
)
from matrix_presence.homeserver.signing_keys import old_signing_keys, signing_keys
from matrix_presence.options import ConfigError
from matrix_presence.storage.database import Database
from matrix_presence.wire.server_keys import read_server_keys
from tests.base import TestCase
from tests.federation.servers import Internet, Server
from tests.homeserver.accounts import CHEAP, at_once
from tests.web.connection import Connection

PUBLIC = {"listen": ["tcp:8008"]}
EDU = {"edu_type": "m.test", "content": {}}


def settled(**said: Any) -> ServeConfig:
    """What follows from a configuration file."""
    return settle(parse_options(said))


class OptionTests(TestCase):
    """When other servers are talked to, and how."""

    def test_a_server_is_on_its_own_unless_told_otherwise(self) -> None:
        """Federation is not there without being asked for."""
        self.assertIsNone(settled().federation)
        self.assertIsNone(settled(federation=False, federation_ca="x").federation)

    def test_one_of_the_options_is_enough(self) -> None:
        """Those that make sense with federation only mean that it is wanted."""
        self.assertEqual(
            FederationConfig(private_addresses=True),
            settled(federation=True).federation,
        )
        with_ca = settled(federation_ca="ca.pem").federation
        assert with_ca is not None
        self.assertEqual(Path("ca.pem"), with_ca.ca)
        insecure = settled(federation_insecure=True).federation
        assert insecure is not None
        self.assertTrue(insecure.insecure)

    def test_certificates_are_looked_at_unless_nobody_else_can_connect(self) -> None:
        """A server that the network reaches has to know whom it talks to (C-71)."""
        refusal = self.assertRaises(
            ConfigError, settled, federation_insecure=True, **PUBLIC
        )
        self.assertEqual(
            "federation_insecure needs all listeners on loopback", str(refusal)
        )

    def test_a_public_server_keeps_to_public_addresses(self) -> None:
        """Unless it is told otherwise."""
        public = settled(federation=True, **PUBLIC).federation
        assert public is not None
        self.assertFalse(public.private_addresses)
        private = settled(
            federation=True, federation_private_addresses=True, **PUBLIC
        ).federation
        assert private is not None
        self.assertTrue(private.private_addresses)

    def test_a_file_without_certificates_is_refused(self) -> None:
        """With a sentence that names it."""
        directory = Path(self.mktemp())
        directory.mkdir()
        file = directory / "ca.pem"
        for text, sentence in (
            (None, "federation_ca: cannot read"),
            ("", "holds no certificate"),
            ("-----BEGIN CERTIFICATE-----\nnonsense", "holds a broken certificate"),
        ):
            if text is not None:
                file.write_text(text)
            config = settled(federation_ca=str(file), data=str(directory))
            why = self.assertRaises(
                ConfigError, federation_side, MemoryReactorClock(), config, [], None
            )
            self.assertIn(sentence, str(why))

    def test_tls_says_for_whom_it_is(self) -> None:
        """By the name of the server, never by an address (C-71)."""
        for tls in (verified_tls(), unverified_tls()):
            for name, said in ((b"a.test", True), (b"127.0.0.1", False)):
                factory = TLSMemoryBIOFactory(
                    tls(name.decode()), True, Factory.forProtocol(Protocol)
                )
                transport = StringTransport()
                factory.buildProtocol(IPv4Address("TCP", "", 0)).makeConnection(
                    transport
                )
                self.assertEqual(said, name in transport.value())


class KeyFileTests(TestCase):
    """The files with our keys."""

    def setUp(self) -> None:
        """A directory for them."""
        self.data = Path(self.mktemp())
        self.data.mkdir()

    def test_all_keys_of_the_file_are_there(self) -> None:
        """The first of them signs (C-60)."""
        path = self.data / "signing.key"
        made = [generate_signing_key(version) for version in ("a", "b")]
        with path.open("w") as file:
            write_signing_keys(file, made)
        found = signing_keys(path)
        self.assertEqual(["a", "b"], [key.version for key in found])

    def test_old_keys_are_read_from_a_file_of_their_own(self) -> None:
        """With the time at which they expired (C-60)."""
        path = self.data / "old_signing.keys"
        self.assertEqual([], old_signing_keys(path))
        path.write_text("ed25519 c 1000 " + "A" * 43 + "\n")
        (old,) = old_signing_keys(path)
        self.assertEqual((1000, "c"), (old.expired_ts, old.key.version))

    def test_a_broken_file_of_old_keys_is_refused(self) -> None:
        """With a sentence that names it."""
        path = self.data / "old_signing.keys"
        for text in ("ed25519 c soon AAAA", "nonsense", "ed25519 c 1 A"):
            path.write_text(text)
            self.assertIn(
                "no old key",
                str(self.assertRaises(ConfigError, old_signing_keys, path)),
            )


class StoredKeyTests(TestCase):
    """The keys of others in the database."""

    def test_the_newest_document_is_kept(self) -> None:
        """With the time at which it was fetched (C-61)."""
        database = Database.immediate()
        self.successResultOf(
            database.migrate("homeserver", "matrix_presence.homeserver")
        )
        store = StoredKeys(database)

        def load() -> Any:
            return self.successResultOf(Deferred.fromCoroutine(store.load("a.test")))

        self.assertIsNone(load())
        for number in (1, 2):
            saving = store.save("a.test", {"ü": number}, number)
            self.successResultOf(Deferred.fromCoroutine(saving))
        self.assertEqual(({"ü": 2}, 2), load())

    def test_documents_that_nobody_fetched_again_are_deleted(self) -> None:
        """After three months, at most once a day: made-up servers do not pile up."""
        database = Database.immediate()
        self.successResultOf(
            database.migrate("homeserver", "matrix_presence.homeserver")
        )
        store, day, now = StoredKeys(database), 86_400_000, 1_790_000_000_000

        def save(name: str, fetched_ts: int) -> None:
            saving = store.save(name, {}, fetched_ts)
            self.successResultOf(Deferred.fromCoroutine(saving))

        def has(name: str) -> bool:
            loading = Deferred.fromCoroutine(store.load(name))
            return self.successResultOf(loading) is not None

        save("old.test", now)
        save("kept.test", now + 30 * day)
        save("new.test", now + 91 * day)
        self.assertEqual([False, True], [has("old.test"), has("kept.test")])
        save("kept.test", now)
        save("new.test", now + 91 * day + 1000)
        self.assertTrue(has("kept.test"))
        store = StoredKeys(database)
        save("new.test", now + 91 * day + 2000)
        self.assertFalse(has("kept.test"))


class FederatingTests(TestCase):
    """The whole server, and another one that talks to it."""

    def setUp(self) -> None:
        """Start both."""
        self.reactor: Any = MemoryReactorClock()
        self.reactor.advance(1_790_000_000)
        self.internet = Internet()
        self.other = Server(self.internet, self.reactor, "other.test")
        self.database = Database.immediate()
        self.successResultOf(
            self.database.migrate("homeserver", "matrix_presence.homeserver")
        )
        self.key = generate_signing_key("a_test")
        self.server = self.successResultOf(Deferred.fromCoroutine(self.make()))
        started = self.server.startService()
        self.reactor.advance(0)
        self.successResultOf(started)
        site: Any = self.reactor.tcpServers[-1][1]
        self.root = site.resource
        self.body_limit = site.body_limit
        self.internet.agents[b"hs.test"] = RequestTraversalAgent(self.root)
        self.addCleanup(lambda: self.successResultOf(self.server.stopService()))

    async def make(self) -> EmbeddedHomeserver:
        """The server, which reaches others in memory."""
        self.config = config = settled(server_name="hs.test", federation=True)
        accounts = await Accounts.load(
            self.database, "hs.test", self.reactor, Passwords(at_once, CHEAP)
        )
        rooms = await RoomSide.load(self.database, accounts, self.key, self.reactor)
        own = OwnKeys("hs.test", [self.key], [], self.other.now)
        assert config.federation is not None
        side = FederationSide(
            self.reactor,
            self.internet,
            own,
            config.federation,
            StoredKeys(self.database),
        )
        return EmbeddedHomeserver(
            self.reactor, config, self.database, accounts, rooms, side
        )

    def get(self, path: str) -> Any:
        """What it answers."""
        return Connection(self.root, self.reactor).request("GET", path)

    def test_its_keys_are_published(self) -> None:
        """Signed with the key of its events (C-60)."""
        document = self.get("/_matrix/key/v2/server").json
        keys = read_server_keys(document, "hs.test", self.other.now())
        self.assertEqual({"ed25519:a_test": get_verify_key(self.key)}, keys.keys)

    def test_its_version_is_told(self) -> None:
        """With the name of the software (C-63)."""
        server = self.get("/_matrix/federation/v1/version").json["server"]
        self.assertEqual("matrix_presence", server["name"])

    def test_transactions_are_taken(self) -> None:
        """With PDUs refused one by one, as these are no events (C-40, C-41)."""
        sending = self.other.link.send("hs.test", [EDU])
        self.assertIsNone(self.successResultOf(sending))
        content = b'{"pdus":[{"content":{},"type":"m.x"},7]}'
        path = "/_matrix/federation/v1/send/x"
        putting = self.other.client.put("hs.test", path, content)
        answer = self.successResultOf(Deferred.fromCoroutine(putting))
        (result,) = answer["pdus"].values()
        self.assertEqual(["error"], list(result))

    def test_a_denied_server_is_not_heard(self) -> None:
        """Nor asked for its keys, nor talked to; one that is admitted again is."""
        for restricted in (
            FederationConfig(blacklist=("other.*",)),
            FederationConfig(whitelist=("else.where",)),
        ):
            self.server.reconfigure(attrs.evolve(self.config, federation=restricted))
            asked = len(self.internet.asked)
            refusal = self.failureResultOf(
                self.other.link.send("hs.test", [EDU]), Refused
            ).value
            self.assertEqual((403, "M_FORBIDDEN"), (refusal.status, refusal.errcode))
            self.assertEqual(asked + 1, len(self.internet.asked))
            side = self.server._federation
            assert side is not None
            self.failureResultOf(side.link.send("other.test", [EDU]), Excluded)
        self.server.reconfigure(self.config)
        self.successResultOf(self.other.link.send("hs.test", [EDU]))

    def test_it_says_whether_it_wants_presence(self) -> None:
        """As it is configured at that time (MSC4373)."""
        path = "/_matrix/federation/unstable/io.fsky.vel/edutypes"
        self.assertEqual({"m.presence": True}, self.get(path).json)
        presence = attrs.evolve(self.config.presence, federation_incoming=False)
        self.server.reconfigure(attrs.evolve(self.config, presence=presence))
        self.assertEqual({"m.presence": False}, self.get(path).json)

    def test_the_largest_transaction_fits(self) -> None:
        """Fifty PDUs and a hundred EDUs of 64 KiB each (C-43)."""
        self.assertGreaterEqual(self.body_limit, 150 * 65536)

    def test_the_keys_of_others_are_stored(self) -> None:
        """For after a restart (C-61)."""
        self.successResultOf(self.other.link.send("hs.test", [EDU]))
        loading = StoredKeys(self.database).load("other.test")
        stored = self.successResultOf(Deferred.fromCoroutine(loading))
        self.assertIsNotNone(stored)

    def test_presence_goes_out(self) -> None:
        """To servers of users who share a room, as soon as there are such (C-1)."""
        presence = self.server.presence
        for user_id in ("@a:hs.test", "@b:other.test"):
            presence.handler.joined("!r:hs.test", user_id)
        self.reactor.pump([0.5] * 20)
        sent = [edu for _, edu, _ in self.other.edus]
        self.assertEqual(set(), {edu["edu_type"] for edu in sent} - {"m.presence"})
        presence.handler.active("@a:hs.test", "DEVICE")
        self.reactor.pump([0.5] * 20)
        origin, edu, _ = self.other.edus[-1]
        self.assertEqual("hs.test", origin)
        self.assertEqual("@a:hs.test", edu["content"]["push"][0]["user_id"])
