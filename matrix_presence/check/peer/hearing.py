"""What the target tells the peer in the course of one check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from matrix_presence.check.peer.ear import Heard, entries_of
from matrix_presence.check.peer.visitor import Visitor
from matrix_presence.check.person import Person
from matrix_presence.check.verdicts import Failed

#: Seconds within which another server has to be told.
TOLD = 30.0
#: Seconds for which nothing has to come, where something else has come already.
QUIET = 1.5


@attrs.define
class Hearing(Visitor):
    """The EDUs of the target, and no others that the peer has heard."""

    def mark(self) -> int:
        """A number after which only counts what is heard from now on."""
        return len(self.peer.ear.heard)

    def heard(self, after: int | None = None) -> list[Heard]:
        """The EDUs of the target since the check began, or since that mark."""
        later = self.peer.ear.heard[self._before if after is None else after :]
        return [each for each in later if each.origin == self.target_name]

    def entries(
        self, of: Person | str, after: int | None = None
    ) -> list[dict[str, Any]]:
        """All that was pushed of a user; see `heard`."""
        user_id = of if isinstance(of, str) else of.user_id
        return entries_of(user_id, self.heard(after))

    async def hears(
        self,
        of: Person,
        seen: Callable[[dict[str, Any]], object],
        sentence: str,
        after: int | None = None,
        within: float = TOLD,
    ) -> dict[str, Any]:
        """What is pushed of a user, once it is as it should be.

        Raises:
            Failed: with this sentence, when it is not told within as many seconds.
        """
        return await self._until(
            lambda: self.entries(of, after), seen, sentence, within
        )

    async def hears_edu(
        self,
        edu_type: str,
        seen: Callable[[dict[str, Any]], object],
        sentence: str,
        after: int | None = None,
        within: float = TOLD,
    ) -> dict[str, Any]:
        """The content of an EDU of that type, once it is as it should be; see `hears`.

        What is no object is never as it should be.
        """
        return await self._until(
            lambda: self.contents(edu_type, after), seen, sentence, within
        )

    def contents(self, edu_type: str, after: int | None = None) -> list[dict[str, Any]]:
        """The contents of all EDUs of that type; see `heard`."""
        edus = [each.edu for each in self.heard(after) if isinstance(each.edu, dict)]
        found = [edu.get("content") for edu in edus if edu.get("edu_type") == edu_type]
        return [content for content in found if isinstance(content, dict)]

    async def _until(
        self,
        heard: Callable[[], list[dict[str, Any]]],
        seen: Callable[[dict[str, Any]], object],
        sentence: str,
        within: float,
    ) -> dict[str, Any]:
        """The latest of what is heard that is as it should be; see `hears`."""

        def found() -> list[dict[str, Any]]:
            return [said for said in heard() if seen(said)]

        fitting: list[dict[str, Any]] = await self.peer.ear.until(found, within)
        if not fitting:
            raise Failed(sentence)
        return fitting[-1]
