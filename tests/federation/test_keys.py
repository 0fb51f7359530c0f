"""The key ring: what is asked, how often, and what is believed."""

from __future__ import annotations

from typing import Any

import attrs
from signedjson.key import generate_signing_key, get_verify_key
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from matrix_presence.federation import keys as keys_module
from matrix_presence.federation.key_sources import DirectKeys, NotaryKeys
from matrix_presence.federation.keys import KeyRing, NoKey
from matrix_presence.federation.notary import Notary
from matrix_presence.federation.own_keys import OwnKeys
from matrix_presence.wire.signing import signed_json, verify_json
from tests.base import TestCase

MINUTE = 60
HOUR = 60 * MINUTE


@attrs.define
class Network:
    """Other servers, as far as their keys go."""

    clock: Clock
    #: By name; None for one that does not answer.
    servers: dict[str, OwnKeys | None] = attrs.Factory(dict)
    #: By name: what it vouches for, as it is when asked.
    notaries: dict[str, Notary] = attrs.Factory(dict)
    asked: list[str] = attrs.Factory(list)
    #: Fires when the answers may come; None for at once.
    held: Deferred[None] | None = None

    def now(self) -> int:
        """Epoch ms."""
        return int(self.clock.seconds() * 1000)

    def add(self, name: str, version: str = "a_1") -> OwnKeys:
        """A server with a key of this version."""
        key = generate_signing_key(version)
        keys = self.servers[name] = OwnKeys(name, [key], [], self.now)
        return keys

    async def get_public(self, destination: str, path: str) -> Any:
        """What a server says of its keys."""
        self.asked.append(destination)
        if self.held is not None:
            await self.held
        server = self.servers[destination]
        if server is None:
            raise ConnectionError("no route")
        return server.document()

    async def post_public(
        self, destination: str, path: str, content: dict[str, Any]
    ) -> Any:
        """What a notary says of others."""
        self.asked.append(f"{destination}?")
        wanted = dict.fromkeys(content["server_keys"], 0)
        return {
            "server_keys": await self.notaries[destination].vouched_for(wanted),
        }


@attrs.define
class Kept:
    """Keys that survive."""

    documents: dict[str, tuple[object, int]] = attrs.Factory(dict)

    async def load(self, server_name: str) -> tuple[object, int] | None:
        """What was saved."""
        return self.documents.get(server_name)

    async def save(
        self, server_name: str, document: dict[str, Any], fetched_ts: int
    ) -> None:
        """Keep it."""
        self.documents[server_name] = document, fetched_ts


class KeyRingTestCase(TestCase):
    """A ring, and the servers it asks."""

    def setUp(self) -> None:
        """One other server."""
        self.clock = Clock()
        self.clock.advance(1_790_000_000)
        self.network = Network(self.clock)
        self.there = self.network.add("there")
        self.own = OwnKeys("hs", [generate_signing_key("own")], [], self.network.now)
        self.ring = self.make()

    def make(self, *notaries: str, store: Any = None) -> KeyRing:
        """A ring that trusts these notaries."""
        network = self.network
        sources: list[Any] = [DirectKeys(network, network.now)]
        ring = KeyRing(self.own, sources, store, chance=lambda: 1.0)
        for notary in notaries:
            sources.append(
                NotaryKeys(network, network.now, notary, notaries, ring.keys)
            )
        return ring

    def ask(self, key_id: str = "ed25519:a_1", name: str = "there") -> Deferred[Any]:
        """A key that is valid now."""
        return Deferred.fromCoroutine(self.ring.key(name, key_id, self.network.now()))


class KeyRingTests(KeyRingTestCase):
    """Keys that are fetched from the server itself."""

    def test_a_key_is_fetched_once(self) -> None:
        """From then on it is known (C-61)."""
        for _ in range(3):
            found = self.successResultOf(self.ask())
            self.assertEqual(get_verify_key(self.there.key), found)
        self.assertEqual(["there"], self.network.asked)

    def test_all_who_ask_at_once_share_one_request(self) -> None:
        """Also when the first of them gives up."""
        held = self.network.held = Deferred()
        asking = [self.ask() for _ in range(5)]
        asking[0].cancel()
        held.callback(None)
        self.failureResultOf(asking[0])
        for answer in asking[1:]:
            self.successResultOf(answer)
        self.assertEqual(["there"], self.network.asked)

    def test_keys_are_fetched_again_when_they_run_out(self) -> None:
        """A document counts for as long as it says, a week at most (C-61)."""
        self.successResultOf(self.ask())
        self.clock.advance(23 * HOUR)
        self.successResultOf(self.ask())
        self.clock.advance(2 * HOUR)
        self.successResultOf(self.ask())
        self.assertEqual(2, len(self.network.asked))

    def test_a_changed_key_is_found(self) -> None:
        """A server may sign with a new key at any time (C-60)."""
        self.successResultOf(self.ask())
        changed = self.network.add("there", "b_2")
        self.clock.advance(2 * MINUTE)
        found = self.successResultOf(self.ask("ed25519:b_2"))
        self.assertEqual(get_verify_key(changed.key), found)

    def test_a_key_that_is_not_there_is_asked_for_once_a_minute(self) -> None:
        """Whoever makes up keys causes no more requests than that."""
        for number in range(50):
            self.failureResultOf(self.ask(f"ed25519:{number}"), NoKey)
        self.assertEqual(1, len(self.network.asked))
        self.clock.advance(2 * MINUTE)
        self.failureResultOf(self.ask("ed25519:x"), NoKey)
        self.assertEqual(2, len(self.network.asked))

    def test_a_server_that_fails_is_asked_ever_more_seldom(self) -> None:
        """After a minute, two, four, and an hour at most."""
        self.network.servers["there"] = None
        for wait, asked in ((0, 1), (59, 1), (1, 2), (119, 2), (1, 3)):
            self.clock.advance(wait)
            self.failureResultOf(self.ask(), NoKey)
            self.assertEqual(asked, len(self.network.asked))
        for _ in range(100):
            self.clock.advance(HOUR / 2)
            self.failureResultOf(self.ask(), NoKey)
        self.assertLess(len(self.network.asked), 60)
        self.network.servers["there"] = self.there
        self.clock.advance(HOUR)
        self.successResultOf(self.ask())

    def test_a_document_of_somebody_else_proves_nothing(self) -> None:
        """Only what the server has signed itself counts (C-60)."""
        self.network.servers["there"] = self.network.add("elsewhere")
        why = self.failureResultOf(self.ask(), NoKey)
        self.assertIn("no document of the keys of there", str(why.value))

    def test_what_is_remembered_is_bounded(self) -> None:
        """Both of servers that answer and of those that do not."""
        self.patch(keys_module, "_MOST", 3)
        for number in range(10):
            name = f"server{number}"
            self.network.add(name)
            self.successResultOf(self.ask(name=name))
            self.network.servers[f"no{name}"] = None
            self.failureResultOf(self.ask(name=f"no{name}"), NoKey)
        self.assertEqual(3, len(self.ring._known))
        self.assertEqual(3, len(self.ring._asked))

    def test_only_so_many_are_asked_at_once(self) -> None:
        """A flood of names is refused, not queued."""
        self.patch(keys_module, "_AT_ONCE", 2)
        held = self.network.held = Deferred()
        for name in ("one", "two", "three"):
            self.network.add(name)
        asking = [self.ask(name=name) for name in ("one", "two", "three")]
        self.failureResultOf(asking.pop(), NoKey)
        held.callback(None)
        for answer in asking:
            self.successResultOf(answer)

    def test_our_own_keys_are_known(self) -> None:
        """Nobody is asked for them."""
        found = self.successResultOf(self.ask("ed25519:own", "hs"))
        self.assertEqual(get_verify_key(self.own.key), found)
        self.assertEqual([], self.network.asked)

    def test_keys_survive_in_the_store(self) -> None:
        """Another ring on the same store need not ask while they are valid."""
        store = Kept()
        self.ring = self.make(store=store)
        self.successResultOf(self.ask())
        self.network.servers["there"] = None
        self.ring = self.make(store=store)
        self.successResultOf(self.ask())
        self.ring = self.make(store=store)
        self.clock.advance(25 * HOUR)
        self.failureResultOf(self.ask(), NoKey)

    def test_a_store_that_fails_is_logged_and_done_without(self) -> None:
        """Keys are then fetched and remembered as if there were none."""
        self.ring = self.make(store=object())
        self.successResultOf(self.ask())
        self.assertEqual(2, len(self.logged_errors()))


class NotaryTests(KeyRingTestCase):
    """Keys that others vouch for, and for which we do."""

    def setUp(self) -> None:
        """A notary that knows the other server, which then goes away."""
        super().setUp()
        self.notary_keys = self.network.add("notary")
        notary_ring = KeyRing(
            self.notary_keys, [DirectKeys(self.network, self.network.now)]
        )
        self.notary = Notary(self.notary_keys, notary_ring)
        self.network.notaries["notary"] = self.notary
        self.vouch("there")
        self.network.servers["there"] = None
        self.ring = self.make("notary")

    def vouch(self, name: str, valid_until: int = 0) -> list[dict[str, Any]]:
        """What the notary says of one server."""
        asked = self.notary.vouched_for({name: valid_until})
        return self.successResultOf(Deferred.fromCoroutine(asked))

    def test_it_adds_its_signature(self) -> None:
        """Both have signed what it says (C-62)."""
        (document,) = self.vouch("there")
        verify_json(document, "there", get_verify_key(self.there.key))
        verify_json(document, "notary", get_verify_key(self.notary_keys.key))

    def test_it_says_what_it_had_of_a_server_that_is_gone(self) -> None:
        """Even if its keys are not valid for as long as was asked (C-62)."""
        self.assertEqual(1, len(self.vouch("there", self.network.now() + HOUR * 10**6)))

    def test_it_says_nothing_of_servers_it_cannot_reach(self) -> None:
        """Nor of what is no server (C-62)."""
        self.network.servers["gone"] = None
        self.assertEqual([], self.vouch("gone"))
        self.assertEqual([], self.vouch("no/server"))

    def test_it_vouches_for_itself(self) -> None:
        """With the document it publishes (C-62)."""
        self.assertEqual([self.notary_keys.document()], self.vouch("notary"))

    def test_a_server_that_is_down_is_known_through_it(self) -> None:
        """After the server itself did not answer (C-62)."""
        self.network.asked.clear()
        found = self.successResultOf(self.ask())
        self.assertEqual(get_verify_key(self.there.key), found)
        self.assertEqual(["there", "notary?", "notary"], self.network.asked)

    def test_what_it_has_not_signed_is_not_believed(self) -> None:
        """Whoever answers in its place proves nothing (C-62)."""
        changed = OwnKeys("notary", [generate_signing_key("a_1")], [], self.network.now)
        self.network.notaries["notary"] = Notary(changed, self.notary.ring)
        self.failureResultOf(self.ask(), NoKey)

    def test_its_word_does_not_replace_that_of_the_server(self) -> None:
        """A document that the server has not signed is no use (C-60)."""
        forged = self.network.add("elsewhere").document() | {"server_name": "there"}

        class Forger:
            async def vouched_for(self, wanted: object) -> list[Any]:
                return [signed_json(forged, "notary", key), None, "nonsense"]

        key = self.notary_keys.key
        self.network.notaries["notary"] = Forger()  # type: ignore[assignment]
        self.failureResultOf(self.ask(), NoKey)

    def test_notaries_do_not_wait_for_each_other(self) -> None:
        """Two that are down are simply not known."""
        self.network.servers["notary"] = self.network.servers["other"] = None
        self.network.notaries["other"] = self.notary
        self.ring = self.make("notary", "other")
        self.failureResultOf(self.ask(name="notary"), NoKey)
        self.failureResultOf(self.ask(name="there"), NoKey)
