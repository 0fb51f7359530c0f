"""HTTP/1.1 connections that cost the one who measures next to nothing.

A client written with the same care as the server would be slower than the server, and
then it is the client that is measured. So this is an epoll loop with sockets and no
more than the bench needs: keep-alive, one request at a time on a connection, bodies by
length or in chunks.
"""

from __future__ import annotations

import heapq
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence

import attrs

#: What becomes of an answer: its status, its body, when it arrived (perf_counter).
Answered = Callable[[int, bytes, float], None]


def request(
    method: str, path: str, port: int, token: str | None = None, body: bytes = b""
) -> bytes:
    """One request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: localhost:{port}"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Loop:
    """Calls back when sockets are readable and when moments have come."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def watch(self, descriptor: int, readable: Callable[[], None]) -> None:
        """Call `readable` whenever there is something to read."""
        self._readers[descriptor] = readable
        self._epoll.register(descriptor, select.EPOLLIN)

    def forget(self, descriptor: int) -> None:
        """Do not watch it any more; call before it is closed."""
        del self._readers[descriptor]
        self._epoll.unregister(descriptor)

    def call_at(self, moment: float, call: Callable[[], None]) -> None:
        """Call once `perf_counter` has reached this moment."""
        self._count += 1
        heapq.heappush(self._calls, (moment, self._count, call))

    def run(self, done: Callable[[], bool], seconds: float) -> bool:
        """Run until done, at most so long; whether it was done."""
        end = time.perf_counter() + seconds
        while not done():
            now = time.perf_counter()
            if now >= end:
                return False
            while self._calls and self._calls[0][0] <= now:
                heapq.heappop(self._calls)[2]()
            until = min(end, self._calls[0][0]) if self._calls else end
            # 10 ms at most, so that `done` may depend on the time.
            wait = min(max(until - time.perf_counter(), 0.0), 0.01)
            for descriptor, _ in self._epoll.poll(wait):
                self._readers[descriptor]()
        return True

    def close(self) -> None:
        """Release the epoll descriptor."""
        self._epoll.close()


class Connection:
    """One connection, kept alive, with at most one request on it."""

    def __init__(self, loop: Loop, port: int) -> None:
        self._loop = loop
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._received = b""
        self._answered: Answered | None = None
        loop.watch(self._socket.fileno(), self._readable)

    def send(self, data: bytes, answered: Answered) -> None:
        """Send a request that `request` made; small enough for a socket's buffer."""
        assert self._answered is None, "the last request is not answered yet"
        self._answered = answered
        if self._socket.send(data) != len(data):
            raise OSError("the server does not read")

    def close(self) -> None:
        """Close it, answered or not."""
        self._loop.forget(self._socket.fileno())
        self._socket.close()

    def _readable(self) -> None:
        try:
            data = self._socket.recv(1 << 20)
        except BlockingIOError:
            return
        at = time.perf_counter()
        if not data:
            raise ConnectionError("the server closed a connection")
        self._received += data
        answer = parse(self._received)
        if answer is not None:
            status, body, length = answer
            assert length == len(self._received), "more than one answer"
            self._received = b""
            answered, self._answered = self._answered, None
            assert answered is not None, "an answer that nobody asked for"
            answered(status, body, at)


def parse(received: bytes) -> tuple[int, bytes, int] | None:
    """Status, body and whole length of the first answer; None if there is more."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head, start = received[:end].lower() + b"\r\n", end + 4
    status = int(head[9:12])
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        length = int(head[at + 17 : head.index(b"\r\n", at + 17)])
        if len(received) < start + length:
            return None
        return status, received[start : start + length], start + length
    if b"\r\ntransfer-encoding: chunked" not in head:
        return status, b"", start
    body: list[bytes] = []
    while (line := received.find(b"\r\n", start)) >= 0:
        size = int(received[start:line], 16)
        start = line + 2 + size + 2
        if len(received) < start:
            return None
        if size == 0:
            return status, b"".join(body), start
        body.append(received[line + 2 : line + 2 + size])
    return None


@attrs.frozen
class Sample:
    """What one closed loop came to."""

    requests: int
    seconds: float
    #: How long each request took, in seconds, in no order.
    latencies: Sequence[float]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def closed_loop(
    port: int, requests: Sequence[Iterator[bytes]], seconds: float
) -> Sample:
    """One connection for each iterator, each asking again as soon as it is answered.

    Raises:
        RuntimeError: an answer was not a 200.
    """
    loop = Loop()
    connections = [Connection(loop, port) for _ in requests]
    latencies: list[float] = []
    began = time.perf_counter()
    end = began + seconds
    active = len(connections)

    def drive(connection: Connection, following: Iterator[bytes]) -> None:
        sent = 0.0

        def answered(status: int, body: bytes, at: float) -> None:
            nonlocal active
            if status != 200:
                raise RuntimeError(f"{status} {body[:200]!r}")
            latencies.append(at - sent)
            if at < end:
                ask()
            else:
                active -= 1

        def ask() -> None:
            nonlocal sent
            sent = time.perf_counter()
            connection.send(next(following), answered)

        ask()

    try:
        for connection, following in zip(connections, requests, strict=True):
            drive(connection, following)
        if not loop.run(lambda: not active, seconds + 30.0):
            raise RuntimeError("the server stopped answering")
        took = time.perf_counter() - began
    finally:
        for connection in connections:
            connection.close()
        loop.close()
    return Sample(len(latencies), took, latencies)
