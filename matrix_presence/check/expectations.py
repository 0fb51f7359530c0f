"""What a check expects of an answer, and what it keeps of one that is almost so."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import attrs

from matrix_presence.check.exchange import Reply
from matrix_presence.check.verdicts import Failed


@attrs.define
class Expectations:
    """Those of one check."""

    #: What the target did right in other words.
    strict: list[str] = attrs.field(factory=list, kw_only=True)
    #: What is worth knowing of a target, whatever it is.
    notes: list[str] = attrs.field(factory=list, kw_only=True)

    def require(self, holds: object, sentence: str) -> None:
        """Fail with this sentence unless it holds.

        Raises:
            Failed: it does not.
        """
        if not holds:
            raise Failed(sentence)

    def prefer(self, holds: object, sentence: str) -> None:
        """Make a pass a `strict` with this sentence unless it holds."""
        if not holds:
            self.strict.append(sentence)

    def note(self, sentence: str) -> None:
        """Say what the target does, where several things are right."""
        self.notes.append(sentence)

    def expect(
        self,
        reply: Reply,
        status: int,
        errcode: str = "",
        *,
        accept: Collection[int] = (),
    ) -> Any:
        """The JSON of an answer that has this status.

        Args:
            errcode: what a refusal should say; another one makes a pass a `strict`.
            accept: statuses that do as well, but make a pass a `strict`.

        Raises:
            Failed: it has another status, or is not JSON.
        """
        asked = f"{reply.method} is answered {reply.status} {reply.errcode}".rstrip()
        wanted = f"{status} {errcode}".rstrip()
        if reply.status != status and reply.status not in accept:
            raise Failed(f"{asked}, not {wanted}")
        if not reply.is_json:
            raise Failed(f"{asked} with a body that is not JSON")
        self.prefer(
            reply.status == status and (not errcode or reply.errcode == errcode),
            f"{asked}, not {wanted}",
        )
        return reply.json
