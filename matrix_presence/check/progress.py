"""How far a run has come, on a terminal."""

from __future__ import annotations

from typing import TextIO

import attrs

from matrix_presence.check.verdicts import Result, Verdict

_CELLS = 30
#: Back to the beginning of the line, and away with what stands there.
_CLEAR = "\r\x1b[K"


@attrs.define
class Progress:
    """One line that is written over and over; nothing where there is no terminal."""

    total: int
    stream: TextIO
    _done: int = 0
    _failed: int = 0

    def begin(self) -> None:
        """Show that nothing is done yet."""
        self._show()

    def told(self, result: Result) -> None:
        """There is a further result."""
        self._done += 1
        self._failed += result.verdict is Verdict.FAIL
        self._show()

    def end(self) -> None:
        """Make room for what comes now."""
        if self.stream.isatty():
            self.stream.write(_CLEAR)
            self.stream.flush()

    def _show(self) -> None:
        if not self.stream.isatty():
            return
        full = self._done * _CELLS // max(self.total, 1)
        bar = f"[{'#' * full}{'.' * (_CELLS - full)}]"
        failed = f", {self._failed} failed" if self._failed else ""
        self.stream.write(f"{_CLEAR}{bar} {self._done} of {self.total}{failed}")
        self.stream.flush()
