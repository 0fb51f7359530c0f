"""Users who share a room or do not, and the syncs of one of them."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import Deferred

from tests.base import TestCase
from tests.web.rig import UNLIMITED, Reply, Rig

#: Look without being seen.
UNSEEN = {"set_presence": "offline"}


class SyncTestCase(TestCase):
    """Two users who share a room, and one who shares none; the first one watches."""

    #: Of the section, for rigs of subclasses.
    options: ClassVar[dict[str, Any]] = {}

    def setUp(self) -> None:
        """Everybody is known, nobody has done anything."""
        self.rig = Rig(rc_presence=UNLIMITED, **self.options)
        self.tokens = {name: self.rig.user(name) for name in "abcd"}
        self.rig.presence.room("!r:hs", "@a:hs", "@b:hs")
        self.rig.advance(1)

    async def put(self, name: str, presence: str = "online", **body: Any) -> None:
        """This user sets a status, and it is shown."""
        reply = await self.rig.put(
            self.tokens[name], f"@{name}:hs", {"presence": presence, **body}
        )
        self.assertEqual(reply.status, 200)
        self.rig.advance(0.25)

    def look(self, since: str | None = None, **query: Any) -> Deferred[Reply]:
        """The first user syncs without being seen by it."""
        return self.rig.sync(self.tokens["a"], since, **{**UNSEEN, **query})
