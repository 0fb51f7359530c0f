"""Clients of the first releases, on the prefixes that they know."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from tests.synapse.in_process import InProcessTestCase, shown_in

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
