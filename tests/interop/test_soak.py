"""For a while, a server that sends presence to one that comes and goes.

The sender lives in this process, so that its timers and connections can be counted; the
other server is a process that is ended, killed and frozen over and over. `--soak 600`
makes it ten minutes.
"""

from __future__ import annotations

import faulthandler
import gc
import itertools
import os
import signal
import time
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_twisted
from signedjson.key import generate_signing_key
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import deferLater
from twisted.web.client import Agent, HTTPConnectionPool

from contrib.bench.people import Caller, register
from contrib.bench.servers import Server, free_port, presence_server
from matrix_presence.config import parse
from matrix_presence.federation.agent import FederationAgent, WebPolicy
from matrix_presence.federation.discovery import Discovery
from matrix_presence.federation.own_keys import OwnKeys
from matrix_presence.federation.srv import ServiceRecords
from matrix_presence.federation.tls import unverified_tls
from matrix_presence.federation.well_known import WellKnown
from matrix_presence.homeserver.federation_side import FederationSide
from matrix_presence.homeserver.settings import FederationConfig
from matrix_presence.interfaces import Requester
from matrix_presence.rules.states import Presence
from matrix_presence.service import PresenceService
from matrix_presence.testing import MemoryHomeserver, MemoryPresenceStore
from matrix_presence.web.routes import Router
from matrix_presence.web.site import matrix_site
from tests.interop.certificates import make_certificates

#: Everything is quick, so that much happens in little time.
QUICK = {
    "presence_list_policy": "always",
    "federation_timeout": "8s",
    "federation_ping_interval": "4s",
    "destination_window": "100ms",
    "destination_busy_window": 0,
    "persist_interval": "1s",
    "rc_presence": {"per_user": {"per_second": 0, "burst_count": 1}},
}
#: MiB by which the process may grow after the first quarter. Python's allocator keeps
#: what it once had, a little more each time it is fragmented.
GROWTH = 8.0
#: Seconds up to which the time-out of all tests is not in the way.
SHORT = 60
_PAGE = os.sysconf("SC_PAGE_SIZE")


def memory() -> float:
    """MiB that this process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * _PAGE / 2**20


def sockets() -> int:
    """How many this process has open."""
    count = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
        except OSError:  # The one with which the directory is read.
            continue
    return count


async def passed(seconds: float) -> None:
    """Let time pass."""
    await deferLater(reactor, seconds)


@attrs.define
class Sender:
    """Our server, in this process."""

    name: str
    presence: PresenceService
    side: FederationSide
    store: MemoryPresenceStore
    port: Any = None

    @classmethod
    async def start(cls, certificate: Path) -> Sender:
        """With presence of one user, and the endpoints that others ask."""
        number = free_port()
        name = f"localhost:{number}"
        clock: Any = reactor

        def now() -> int:
            return int(clock.seconds() * 1000)

        own = OwnKeys(name, [generate_signing_key("a_soak")], [], now)
        tls = unverified_tls()
        web = Agent(clock, contextFactory=WebPolicy(tls))
        records = ServiceRecords(None)  # type: ignore[arg-type]  # names have ports
        discovery = Discovery(WellKnown(web, clock).fetch, records.places, now)
        pool = HTTPConnectionPool(clock)
        agent = FederationAgent(clock, discovery, tls, pool)
        side = FederationSide(clock, agent, own, FederationConfig(), None, pool)
        homeserver = MemoryHomeserver(name)
        homeserver.add_user(f"@alice:{name}")
        store = MemoryPresenceStore()
        presence = PresenceService(
            clock, homeserver, store, parse(QUICK), federation=side.link
        )
        presence.startService()
        await presence.when_ready()
        router = Router()
        side.add_routes(router, presence, None)
        keys = f"privateKey={certificate}:certKey={certificate}"
        endpoint = f"ssl:{number}:{keys}:interface=127.0.0.1"
        site = matrix_site(router, clock)
        port = await serverFromString(clock, endpoint).listen(site)
        return cls(name, presence, side, store, port)

    async def stop(self) -> None:
        """Leave nothing behind."""
        await self.port.stopListening()
        await self.presence.stopService()
        await self.side.stop()

    def change(self, number: int) -> None:
        """Alice does something that others can see."""
        user_id = f"@alice:{self.name}"
        state = (Presence.ONLINE, Presence.UNAVAILABLE)[number % 2]
        requester = Requester(user_id, "DEVICE")
        self.presence.handler.set_status(requester, state, f"number {number}")


class Flapping:
    """The other server, and what becomes of it."""

    def __init__(self, process: Server) -> None:
        self.process = process
        self._ways = itertools.cycle((self._end, self._kill, self._freeze))
        self.times = 0

    async def flap(self) -> None:
        """Away for a second or two, and back."""
        self.times += 1
        await next(self._ways)()

    async def _end(self) -> None:
        self.process.send(signal.SIGTERM)
        await passed(1.5)
        self.process.kill()
        await self.up()

    async def _kill(self) -> None:
        self.process.kill()
        await passed(1)
        await self.up()

    async def _freeze(self) -> None:
        self.process.send(signal.SIGSTOP)
        await passed(2)
        self.process.send(signal.SIGCONT)

    async def up(self) -> None:
        """Start it again, and wait without holding this process."""
        count = self.process.log.count(self.process.says)
        self.process.launch()
        ends = time.monotonic() + 60
        while self.process.log.count(self.process.says) == count:
            assert time.monotonic() < ends, self.process.log[-4000:]
            await passed(0.1)


def other_server(directory: Path, certificate: Path) -> Server:
    """A process with the same options, on TLS too."""
    directory.mkdir()
    port = free_port()
    listen = f"ssl:{port}:privateKey={certificate}:certKey={certificate}"
    server = presence_server(
        directory,
        QUICK,
        *("--listen", f"{listen}:interface=127.0.0.1", "--server-name"),
        *(f"localhost:{port}", "--federation-insecure"),
    )
    return server


def observe(server: Server, observed: str) -> tuple[Caller, str]:
    """Bob of this server puts somebody on his presence list; how he asks, his token."""
    caller = Caller(server.port)
    bob = register(caller, "bob")
    path = f"/_matrix/client/r0/presence/list/{bob.user_id}"
    caller.wanted("POST", path, {"invite": [observed]}, bob.token)
    return caller, bob.token


# Twisted hands its certificates to pyOpenSSL in the old way.
@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
@pytest_twisted.ensureDeferred
async def test_nothing_piles_up(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Memory is flat, and in the end no timer and no connection is left (C-11)."""
    lasts = request.config.getoption("--soak")
    if lasts > SHORT:
        # pytest would take it for stuck. Each step of it has an end of its own.
        faulthandler.cancel_dump_traceback_later()
    _, certificate = make_certificates(tmp_path)
    calls: Any = reactor
    with other_server(tmp_path / "other", certificate) as process:
        timers, open_before = len(calls.getDelayedCalls()), sockets()
        sender = await Sender.start(certificate)
        alice = f"@alice:{sender.name}"
        caller, token = observe(process, alice)
        path = f"/_matrix/client/r0/presence/{alice}/status"

        def seen() -> str | None:
            status, answer = caller.call("GET", path, token=token)
            return answer.get("status_msg") if status == 200 else None

        flapping = Flapping(process)
        began = time.monotonic()
        numbers = itertools.count()
        samples: list[tuple[float, float]] = []
        while (now := time.monotonic() - began) < lasts:
            # For other tests it remembers all that was ever written.
            sender.store.committed.clear()
            samples.append((now, memory()))
            ends = time.monotonic() + 3
            while time.monotonic() < ends:
                sender.change(next(numbers))
                await passed(0.05)
            await flapping.flap()
        last = next(numbers)
        sender.change(last)
        ends = time.monotonic() + 60
        while True:
            # Not held while the other server asks this one for its keys.
            if seen() == f"number {last}":
                break
            assert time.monotonic() < ends, process.log[-4000:]
            await passed(0.5)
        sender.store.committed.clear()
        samples.append((time.monotonic() - began, memory()))
        out = sender.presence.sender
        assert out is not None and out.failed > 0 and out.answered > flapping.times
        caller.close()
        process.stop()
        await sender.stop()
        await passed(1)
        print(
            f"{samples[-1][0]:.0f} s, {last} changes, {flapping.times} times away, "
            f"{out.answered} transactions answered, {out.failed} failed; MiB: "
            + ", ".join(f"{mib:.1f}" for _, mib in samples[:: len(samples) // 12 + 1])
        )
        settled = [mib for at, mib in samples if at >= lasts / 4]
        assert settled[-1] - settled[0] < GROWTH
        assert sockets() <= open_before
        assert len(calls.getDelayedCalls()) <= timers
