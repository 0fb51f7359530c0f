"""Clients of the first releases, on the prefixes that they know."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from tests.synapse.in_process import Answer, InProcessTestCase, Person, shown_in

ALICE, BOB = "@alice:hs", "@bob:hs"


class FreeForChatTests(InProcessTestCase):
    """The fourth state."""

    def setUp(self) -> None:
        """Alice and Bob share a room."""
        super().setUp()
        self.alice, self.bob = self.person("alice"), self.person("bob")
        self.room_id = self.room(self.alice, self.bob)

    def test_old_clients_set_and_see_it_and_others_see_online(self) -> None:
        """By GET, sync and events; in the database it is online too (X-1)."""
        _, token = self.sync(self.bob)
        path, body = f"r0/{self.alice.path}", {"presence": "free_for_chat"}
        self.done("PUT", path, body, self.alice)
        self.pass_time(2)
        for version, presence in (
            ("r0", "free_for_chat"),
            ("unstable", "free_for_chat"),
            ("api/v1", "free_for_chat"),
            ("v3", "online"),
        ):
            seen = self.done("GET", f"{version}/{self.alice.path}", None, self.bob)
            self.assertEqual(presence, seen["presence"], version)
        shown, _ = self.sync(self.bob, token)
        self.assertEqual("online", shown[ALICE]["presence"])
        # Another time-out, or the same answer would be given again.
        sync = "r0/" + self.sync_path(token, timeout=1).removeprefix("v3/")
        shown = shown_in(self.done("GET", sync, None, self.bob))
        self.assertEqual("free_for_chat", shown[ALICE]["presence"])
        rows = self.run_now(
            self.store.db_pool.execute(
                "rows", "SELECT state FROM presence_stream WHERE user_id = ?", ALICE
            )
        )
        self.assertEqual([("online",)], [tuple(row) for row in rows])

    def test_modern_clients_cannot_set_it(self) -> None:
        """It is no state to them."""
        path, body = f"v3/{self.alice.path}", {"presence": "free_for_chat"}
        self.assertEqual(400, self.ask("PUT", path, body, self.alice).code)

    def test_other_servers_are_told_online(self) -> None:
        """They may refuse what they do not know (X-9)."""
        self.inject_join(self.room_id, "@dave:far")
        heard = self.hear()
        path, body = f"r0/{self.alice.path}", {"presence": "free_for_chat"}
        self.done("PUT", path, body, self.alice)
        self.pass_time(10)
        self.assertEqual({("far", ALICE, "online")}, set(heard))


class NoFreeForChatTests(InProcessTestCase):
    """With `free_for_chat` switched off."""

    module: ClassVar[Mapping[str, Any]] = MappingProxyType({"free_for_chat": False})

    def test_nobody_can_set_it(self) -> None:
        """As Synapse has it."""
        alice = self.person("alice")
        path, body = f"r0/{alice.path}", {"presence": "free_for_chat"}
        self.assertEqual(400, self.ask("PUT", path, body, alice).code)


class ListTests(InProcessTestCase):
    """Presence lists, of people who share no room."""

    def setUp(self) -> None:
        """Alice observes, Bob is observed."""
        super().setUp()
        self.alice, self.bob = self.person("alice"), self.person("bob")

    def post(self, person: Person, prefix: str = "r0", **changes: list[str]) -> Answer:
        """Change the list of a person."""
        path = f"{prefix}/presence/list/{person.user_id}"
        answer = self.ask("POST", path, changes, person)
        self.pass_time(1)
        return answer

    def list_of(self, person: Person, prefix: str = "r0") -> dict[str, Any]:
        """By user: what is on it."""
        path = f"{prefix}/presence/list/{person.user_id}"
        entries = self.done("GET", path, None, person)
        return {entry["user_id"]: entry for entry in entries}

    def observe(self) -> None:
        """Alice invites, Bob accepts."""
        self.assertEqual(Answer(200, {}), self.post(self.alice, invite=[BOB]))
        pending = f"unstable/presence/list/{BOB}?pending=in"
        (entry,) = self.done("GET", pending, None, self.bob)
        self.assertEqual(ALICE, entry["observer_user"])
        self.assertEqual(200, self.post(self.bob, accept=[ALICE]).code)

    def test_who_is_accepted_sees_the_presence(self) -> None:
        """On the list, by GET and in a sync, and is woken by it (A-63, A-70)."""
        _, token = self.sync(self.alice, set_presence="offline")
        path = self.sync_path(token, timeout=30, set_presence="offline")
        self.assertEqual({}, self.list_of(self.alice))
        self.observe()
        poll = self.asking("GET", path, None, self.alice)
        self.put(self.bob, "online", status_msg="observed")
        self.pass_time(5)
        shown = shown_in(poll.answer().json)
        self.assertEqual({BOB}, set(shown))
        self.assertEqual("observed", self.get(self.bob, self.alice)["status_msg"])
        for prefix in ("r0", "unstable", "api/v1"):
            self.assertEqual(
                "online", self.list_of(self.alice, prefix)[BOB]["presence"]
            )
        answer = self.ask("GET", f"v3/{self.alice.path}", None, self.bob)
        self.assertEqual(403, answer.code)

    def test_denying_ends_it(self) -> None:
        """The observer is shown them as offline a last time (A-71)."""
        self.observe()
        self.put(self.bob, "online")
        self.pass_time(1)
        _, token = self.sync(self.alice, set_presence="offline")
        self.post(self.bob, deny=[ALICE])
        shown, _ = self.sync(self.alice, token, set_presence="offline")
        self.assertEqual({"presence": "offline"}, shown[BOB])
        self.assertEqual({}, self.list_of(self.alice))

    def test_lists_survive_a_restart(self) -> None:
        """What was answered with 200 is on disk (A-72)."""
        self.observe()
        self.stop()
        self.start()
        self.assertEqual({BOB}, set(self.list_of(self.alice)))

    def test_refusals(self) -> None:
        """Of others' lists, of what is no list, without a token (A-60, A-66)."""
        path = f"r0/presence/list/{ALICE}"
        self.assertEqual(403, self.ask("POST", path, {}, self.bob).code)
        answer = self.ask("POST", path, {"invite": 5}, self.alice)
        self.assertEqual((400, "M_BAD_JSON"), (answer.code, answer.json["errcode"]))
        self.assertEqual(401, self.ask("GET", path).code)
        self.assertEqual(404, self.ask("GET", f"v3/presence/list/{ALICE}").code)

    def test_nobody_finds_out_who_exists(self) -> None:
        """An invite to nobody waits like any other (A-67)."""
        nobody = "@nobody:hs"
        self.assertEqual(200, self.post(self.alice, invite=[BOB, nobody]).code)
        path = f"unstable/presence/list/{ALICE}?pending=out"
        entries = self.done("GET", path, None, self.alice)
        self.assertEqual({BOB, nobody}, {entry["user_id"] for entry in entries})

    def test_other_servers_take_part(self) -> None:
        """Invites, replies and presence, through Synapse's federation (C-24)."""
        sent: list[tuple[str, str, Any]] = []
        sender: Any = self.homeserver.get_federation_sender()
        self.patch(
            sender,
            "build_and_send_edu",
            lambda destination, edu_type, content: sent.append(
                (destination, edu_type, content)
            ),
        )
        heard = self.hear()
        pair = {"observer_user": "@dave:far", "observed_user": BOB}
        self.edu(pair, "m.presence_invite")
        self.post(self.bob, accept=["@dave:far"])
        self.put(self.bob, "online")
        self.pass_time(10)
        self.assertIn(("far", "m.presence_accept", pair), sent)
        self.assertIn(("far", BOB, "online"), heard)
        pair = {"observer_user": ALICE, "observed_user": "@erin:far"}
        self.post(self.alice, invite=["@erin:far"])
        self.pass_time(10)
        self.assertIn(("far", "m.presence_invite", pair), sent)
        self.edu(pair, "m.presence_accept")
        self.edu({"push": [{"user_id": "@erin:far", "presence": "online"}]})
        self.assertEqual("online", self.list_of(self.alice)["@erin:far"]["presence"])


class NoListTests(InProcessTestCase):
    """With `presence_lists` switched off."""

    module: ClassVar[Mapping[str, Any]] = MappingProxyType({"presence_lists": False})

    def test_there_are_none(self) -> None:
        """As Synapse has it."""
        alice = self.person("alice")
        path = f"r0/presence/list/{ALICE}"
        answer = self.ask("GET", path, None, alice)
        self.assertEqual((404, "M_UNRECOGNIZED"), (answer.code, answer.json["errcode"]))
