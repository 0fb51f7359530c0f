"""To which other name a server delegates (step 3 of its resolution).

Source: server-server API, "Resolving server names".
"""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import attrs
import orjson
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import stringToDatetime
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from matrix_presence.federation.answers import read_body
from matrix_presence.ids import is_server_name

#: How long a delegation counts that does not say, at least, and at most; ms.
_DEFAULT = 24 * 3_600_000
_SHORTEST = 5 * 60_000
_LONGEST = 48 * 3_600_000

_MOST_BYTES = 50 * 1024
_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Seconds for all of it.
_PATIENCE = 15

_MAX_AGE = re.compile(r"max-age=\"?([0-9]{1,12})", re.IGNORECASE)


class NoDelegation(Exception):
    """There is no delegation that can be read, and why."""


@attrs.frozen
class Delegation:
    """The name that stands for another one."""

    server_name: str
    #: For how long it counts, ms.
    valid_for: int


@attrs.frozen
class WellKnown:
    """Asks for `/.well-known/matrix/server`.

    Args:
        agent: for the web as such: the host of a URL is the name of a host.
    """

    agent: IAgent
    clock: IReactorTime

    async def fetch(self, host: str) -> Delegation:
        """To whom this host delegates.

        Raises:
            Exception: there is no answer, or a `NoDelegation` in it.
        """
        asked = Deferred.fromCoroutine(self._fetch(host))
        return await asked.addTimeout(_PATIENCE, self.clock)

    async def _fetch(self, host: str) -> Delegation:
        url = f"https://{host}/.well-known/matrix/server"
        for _ in range(_MOST_REDIRECTS + 1):
            response = await self.agent.request(b"GET", url.encode("ascii"))
            body = await read_body(response, _MOST_BYTES)
            if response.code not in _REDIRECTS:
                if response.code != 200:
                    raise NoDelegation(f"{url} answers {response.code}")
                server_name = _delegated(body)
                return Delegation(server_name, self._valid_for(response.headers))
            url = urljoin(url, _header(response.headers, "Location"))
            if urlsplit(url).scheme != "https":
                raise NoDelegation("a redirect leads away from https")
        raise NoDelegation("there are too many redirects")

    def _valid_for(self, headers: Headers) -> int:
        """ms, by the headers of the answer."""
        control = _header(headers, "Cache-Control").lower()
        expires = _header(headers, "Expires")
        valid_for = _DEFAULT
        if match := _MAX_AGE.search(control):
            valid_for = int(match[1]) * 1000
        elif "no-store" in control or "no-cache" in control:
            valid_for = 0
        elif expires:
            try:
                until = stringToDatetime(expires.encode())
                valid_for = int((until - self.clock.seconds()) * 1000)
            except Exception:  # What is no date is over (RFC 9111, 5.3).
                valid_for = 0
        return min(max(valid_for, _SHORTEST), _LONGEST)


def _delegated(body: bytes) -> str:
    """The server name in the answer, whatever its type is said to be."""
    try:
        server_name = orjson.loads(body)["m.server"]
    except Exception:
        raise NoDelegation("the answer names no server") from None
    if not is_server_name(server_name):
        raise NoDelegation("what the answer names is no server")
    return str(server_name)


def _header(headers: Headers, name: str) -> str:
    values = headers.getRawHeaders(name, [])
    return values[-1] if values else ""
