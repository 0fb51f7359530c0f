"""A Synapse that is not built as those known starts all the same, with its presence."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar
from unittest import mock

from synapse import rest
from synapse import server as synapse_server
from synapse.handlers.presence import PresenceHandler
from synapse.notifier import _NotifierUserStream
from synapse.server import HomeServer
from synapse.storage.databases.main.presence import PresenceStore

import matrix_presence.synapse
from matrix_presence.synapse import assembly, list_paths, shapes
from matrix_presence.synapse.handler import SynapsePresence
from tests.synapse import STOCK_GETTER
from tests.synapse.in_process import InProcessTestCase


class AlteredTests(InProcessTestCase):
    """Each time one thing that the module relies on is another, or gone."""

    sections: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"rc_presence": {"per_user": {"per_second": 20, "burst_count": 200}}}
    )

    def setUp(self) -> None:
        """Begin before anything of the module has happened."""
        self.patch(HomeServer, "get_presence_handler", STOCK_GETTER)

    def without(self, owner: Any, name: str) -> None:
        """Take it away until the end of this test."""
        patcher = mock.patch.object(owner, name)
        patcher.start()
        delattr(owner, name)
        self.addCleanup(patcher.stop)

    def stays(self, word: str) -> None:
        """Start; presence is Synapse's own and works, and one line says why."""
        super().setUp()
        (said,) = self.logged_errors()
        self.assertIn("Presence stays with Synapse", said)
        self.assertIn(word, said)
        self.assertIs(PresenceHandler, type(self.presence))
        alice, bob = self.person("alice"), self.person("bob")
        self.room(alice, bob)
        self.put(alice, "online", status_msg="as ever")
        self.assertEqual("as ever", self.get(alice, bob)["status_msg"])
        shown, _ = self.sync(bob)
        self.assertEqual("as ever", shown[alice.user_id]["status_msg"])

    def test_method_that_is_gone(self) -> None:
        """It is named."""
        self.without(PresenceStore, "get_all_presence_updates")
        self.stays("DataStore.get_all_presence_updates")

    def test_method_that_wants_more(self) -> None:
        """It is named too."""
        stock = _NotifierUserStream.update_and_fetch_deferreds

        def wants_more(self: Any, token: Any, now: int, *more: Any) -> Any:
            return stock(self, token, now)

        self.patch(_NotifierUserStream, "update_and_fetch_deferreds", wants_more)
        self.stays("wants_more")

    def test_place_that_cannot_be_looked_into(self) -> None:
        """Whatever comes of looking, it does not go further."""

        def look(homeserver: Any) -> list[str]:
            raise AttributeError("somewhere else")

        self.patch(shapes, "missing", look)
        self.stays("somewhere else")

    def test_import_that_fails(self) -> None:
        """Of the module's own code, where something of Synapse's is gone."""
        package = vars(matrix_presence.synapse)
        name = "matrix_presence.synapse.assembly"
        with mock.patch.dict(package), mock.patch.dict(sys.modules, {name: None}):
            package.pop("assembly", None)
            self.stays("assembly")

    def test_takeover_that_fails_at_its_end(self) -> None:
        """What Synapse's own presence goes by is as it was configured."""

        def measure(server_name: str, parts: Any) -> None:
            raise ValueError("a name is taken")

        self.patch(assembly, "measure", measure)
        self.stays("a name is taken")
        limit = self.homeserver.config.ratelimiting.rc_presence_per_user
        self.assertEqual(200, limit.burst_count)

    def test_getter_that_is_built_otherwise(self) -> None:
        """There is no way in."""
        self.patch(HomeServer, "get_presence_handler", _unwrapped)
        self.stays("another way")

    def test_getters_that_are_not_cached_as_they_were(self) -> None:
        """There is none either."""
        self.without(synapse_server, "cache_in_self")
        self.stays("another way")

    def test_paths_that_are_found_otherwise(self) -> None:
        """There are no presence lists; all the rest is ours."""
        stock = [
            register
            for name, group in rest.SERVLET_GROUPS.items()
            for register in group
            if name != "media" and register is not list_paths._register
        ]
        self.patch(rest, "SERVLET_GROUPS", {"clients": stock})
        super().setUp()
        alice = self.person("alice")
        path = f"unstable/presence/list/{alice.user_id}"
        self.assertEqual(404, self.ask("GET", path, None, alice).code)
        self.put(alice, "online", status_msg="ours")
        self.assertIsInstance(self.presence, SynapsePresence)


def _unwrapped(homeserver: HomeServer) -> Any:
    return STOCK_GETTER(homeserver)
