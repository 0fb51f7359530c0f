"""Names and pictures in `m.presence`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from synapse.federation.sender import per_destination_queue

from tests.synapse.in_process import InProcessTestCase

ALICE = "@alice:hs"
PICTURE = "mxc://hs/picture"


class ProfileTestCase(InProcessTestCase):
    """Alice and Bob share a room, which Bob looks at."""

    def setUp(self) -> None:
        """Make them."""
        super().setUp()
        self.alice, self.bob = self.person("alice"), self.person("bob")
        self.room_id = self.room(self.alice, self.bob)
        self.put(self.alice, "online")
        self.pass_time(2)
        _, self.token = self.sync(self.bob, set_presence="offline")

    def name(self, displayname: str) -> None:
        """Alice calls herself so."""
        path, body = f"v3/profile/{ALICE}/displayname", {"displayname": displayname}
        self.done("PUT", path, body, self.alice)
        self.pass_time(3)

    def news(self) -> Any:
        """What Bob is told of Alice since he looked last."""
        shown, self.token = self.sync(self.bob, self.token, set_presence="offline")
        return shown.get(ALICE)


class ProfileTests(ProfileTestCase):
    """With `profiles`."""

    module: ClassVar[Mapping[str, Any]] = MappingProxyType({"profiles": True})

    def test_change_is_told_at_once(self) -> None:
        """With the presence as it is; a GET of the status shows none (D-7)."""
        self.name("Alice")
        content = self.news()
        self.assertEqual("Alice", content["displayname"])
        self.assertEqual("online", content["presence"])
        path, body = f"v3/profile/{ALICE}/avatar_url", {"avatar_url": PICTURE}
        self.done("PUT", path, body, self.alice)
        self.pass_time(3)
        content = self.news()
        self.assertEqual("Alice", content["displayname"])
        self.assertEqual(PICTURE, content["avatar_url"])
        self.assertNotIn("displayname", self.get(self.alice, self.bob))

    def test_profiles_from_before_the_start_are_known(self) -> None:
        """They are read from Synapse's database."""
        self.name("Alice")
        self.stop()
        self.start()
        self.put(self.alice, "unavailable")
        self.pass_time(3)
        self.assertEqual("Alice", self.news()["displayname"])

    def test_other_servers_are_told_too(self) -> None:
        """Where `federate_profile_keys` lets them."""
        self.inject_join(self.room_id, "@dave:far")
        self.name("Alice")
        queued: list[Any] = []

        async def send(states: Any, destinations: Any) -> None:
            queued.extend(states)

        sender: Any = self.homeserver.get_federation_sender()
        sender.send_presence_to_destinations = send
        self.put(self.alice, "unavailable")
        self.pass_time(10)
        sends: Any = per_destination_queue
        written = sends.format_user_presence_state(queued[-1], 0)
        self.assertEqual("Alice", written["displayname"])
        json.dumps(written)


class NoProfileTests(ProfileTestCase):
    """Without it, which is the default."""

    def test_profiles_are_no_presence(self) -> None:
        """A change of name is told by rooms alone."""
        self.name("Alice")
        before = self.presence.parts.ticks.shown
        self.name("Alice the second")
        self.assertEqual(before, self.presence.parts.ticks.shown)
        self.put(self.alice, "unavailable")
        self.pass_time(3)
        self.assertNotIn("displayname", self.news())
