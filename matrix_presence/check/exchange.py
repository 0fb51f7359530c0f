"""One request to the target and its answer, and how both are shown."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any
from urllib.parse import unquote_plus

import attrs
import orjson
from twisted.web.http_headers import Headers

#: Characters of a body that are shown.
_SHOWN = 600
#: What opens an account, wherever it stands.
_SECRETS = re.compile(
    r"""((?:access_token|refresh_token|password|mac)["']?\s*[:=]\s*["']?)[^"'&\s]+"""
)
#: The keys of the answer to a /sync that are shown.
_OF_SYNC = ("next_batch", "presence")
_NOT_JSON = object()


@attrs.frozen
class Reply:
    """What the target answered to one request."""

    method: str
    #: Percent-encoded, with the query.
    path: str
    #: The user id of who asked; empty for nobody.
    asker: str
    sent: bytes | None
    status: int
    headers: Headers
    body: bytes
    #: ms.
    took: int = 0

    @property
    def json(self) -> Any:
        """The decoded body; None if it is not JSON."""
        decoded = self._decoded()
        return None if decoded is _NOT_JSON else decoded

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON."""
        return self._decoded() is not _NOT_JSON

    @property
    def errcode(self) -> str:
        """The errcode of a refusal; empty if there is none."""
        found = self.json
        code = found.get("errcode") if isinstance(found, dict) else None
        return code if isinstance(code, str) else ""

    def header(self, name: str) -> str:
        """The last value of a header; empty if there is none."""
        values = self.headers.getRawHeaders(name)
        return values[-1] if values else ""

    def _decoded(self) -> Any:
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return _NOT_JSON

    def _brief(self) -> bytes:
        """The body; of a /sync only what is about presence."""
        found = self.json
        if not isinstance(found, dict) or "next_batch" not in found:
            return self.body
        kept = {key: found[key] for key in _OF_SYNC if key in found}
        return orjson.dumps(kept) + (b" and more" if len(found) > len(kept) else b"")

    def text(self, secrets: Collection[str] = ()) -> str:
        """The exchange as text, in three lines or so, without what must not be shown.

        Args:
            secrets: tokens to be blanked wherever they stand.
        """
        by = f"   (by {self.asker})" if self.asker else ""
        lines = [f"{self.method} {readable(self.path)}{by}"]
        if self.sent is not None:
            lines.append(_shown(self.sent))
        lines.append(f"-> {self.status} {_shown(self._brief())}   ({self.took} ms)")
        return blanked("\n".join(lines), secrets)


def readable(path: str) -> str:
    """A path with its query as one would write it for a person."""
    path, mark, query = path.partition("?")
    return f"{path}{mark}{unquote_plus(query)}"


def blanked(text: str, secrets: Collection[str]) -> str:
    """The same text without tokens and passwords."""
    for secret in secrets:
        text = text.replace(secret, "...")
    return _SECRETS.sub(r"\1...", text)


def _shown(body: bytes) -> str:
    text = body.decode("utf-8", "backslashreplace")
    if len(text) > _SHOWN:
        text = f"{text[:_SHOWN]}... ({len(body)} bytes)"
    return text
