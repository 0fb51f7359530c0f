"""Old clients and modern ones side by side: free for chat, and the shape of events."""

from __future__ import annotations

from tests.base import TestCase
from tests.web.rig import UNLIMITED, Rig

ALICE = "@alice:hs"
OLD_VERSIONS = ("r0", "api/v1", "unstable")
RAW = "org.matrix_presence.state"


class ErasTestCase(TestCase):
    """Alice is free for chat, and Bob looks."""

    def begin(self, **options: str) -> None:
        """A server on which both share a room."""
        self.rig = Rig(rc_presence=UNLIMITED, **options)
        self.alice, self.bob = self.rig.user("alice"), self.rig.user("bob")
        self.rig.presence.room("!room:hs", ALICE, "@bob:hs")

    def put(self, state: str, version: str) -> int:
        """The status of setting this state."""
        body = {"presence": state}
        reply = self.rig.put(self.alice, ALICE, body, version)
        return self.successResultOf(reply).status

    def shown(self, version: str) -> tuple[str, str | None]:
        """The presence by this version, and the raw state beside it."""
        content = self.successResultOf(self.rig.get(self.bob, ALICE, version)).json
        return content["presence"], content.get(RAW)


class FreeForChatTests(ErasTestCase):
    """The fourth state."""

    def test_it_is_set_by_old_paths_only(self) -> None:
        """r0, api/v1 and unstable take it, v3 refuses it (X-1)."""
        self.begin()
        for version in OLD_VERSIONS:
            self.assertEqual(self.put("free_for_chat", version), 200)
        self.assertEqual(self.put("free_for_chat", "v3"), 400)

    def test_each_version_shows_what_it_knows(self) -> None:
        """It is raw on old paths, and online with a key beside it on v3 (X-1)."""
        self.begin()
        self.put("free_for_chat", "r0")
        for version in OLD_VERSIONS:
            self.assertEqual(self.shown(version), ("free_for_chat", None))
        self.assertEqual(self.shown("v3"), ("online", "free_for_chat"))

    def test_r0_can_be_spared(self) -> None:
        """With `free_for_chat_on_r0: online` r0 shows it as v3 does, and takes it all
        the same (X-1)."""
        self.begin(free_for_chat_on_r0="online")
        self.assertEqual(self.put("free_for_chat", "r0"), 200)
        self.assertEqual(self.shown("r0"), ("online", "free_for_chat"))
        self.assertEqual(self.shown("api/v1"), ("free_for_chat", None))

    def test_a_sync_states_it(self) -> None:
        """`set_presence` of an old /sync takes it, that of v3 does not (X-1, X-12)."""
        self.begin()
        sync = self.rig.sync(self.alice, version="v3", set_presence="free_for_chat")
        self.assertEqual(self.successResultOf(sync).status, 400)
        sync = self.rig.sync(self.alice, version="r0", set_presence="free_for_chat")
        self.assertEqual(self.successResultOf(sync).status, 200)
        self.assertEqual(self.shown("r0"), ("free_for_chat", None))

    def test_it_survives_a_sync_that_says_nothing(self) -> None:
        """A sync of a modern client does not take it away (B-49)."""
        self.begin()
        self.put("free_for_chat", "r0")
        self.successResultOf(self.rig.sync(self.alice))
        self.assertEqual(self.shown("r0"), ("free_for_chat", None))


class EventShapeTests(ErasTestCase):
    """The events of a /sync."""

    def test_old_syncs_have_the_user_in_the_content(self) -> None:
        """Old paths have `content.user_id` and v3 has not (A-110, X-8)."""
        self.begin()
        self.put("free_for_chat", "r0")
        self.rig.advance(1)
        for version in (*OLD_VERSIONS, "v3"):
            reply = self.successResultOf(self.rig.sync(self.bob, version=version))
            content = reply.seen[ALICE]
            if version == "v3":
                self.assertNotIn("user_id", content)
                self.assertEqual(content["presence"], "online")
            else:
                self.assertEqual(content["user_id"], ALICE)
                self.assertEqual(content["presence"], "free_for_chat")
