"""PUT and GET of a status, beside a twisted.web resource that does nothing.

    python -m contrib.bench.http [--quick] [--seconds N] [--rounds N]

Sixteen connections, one user each, in a closed loop: as soon as one is answered it asks
again. A round measures the contenders one right after the other with the same requests;
ratios are taken within a round and the median of the ratios is what counts, so that a
busy machine slows all alike.

- `GET`: the user's own status.
- `PUT changed`: every request carries another message than the one before; each must be
  on disk before its 200.
- `PUT unchanged`: the same status again and again.

Ours is compared with a resource that answers `{}` on a `twisted.web.server.Site`: once
as a `Site` comes (`bare`), and once without its access log (`silent`), as we have none
either unless it is asked for. The second is the harder comparison.

Target: at least 60 % of the bare resource's requests a second.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import attrs

from contrib.bench.load import closed_loop, request
from contrib.bench.people import Account, Caller, register, share_a_room, status_path
from contrib.bench.report import percentile, print_json, print_table
from contrib.bench.servers import Server, bare_server, presence_server

CONNECTIONS = 16
TARGET = 0.60

#: The requests of one user, for ever.
Stream = Callable[[Account, int], Iterator[bytes]]


def gets(account: Account, port: int) -> Iterator[bytes]:
    """The own status, again and again."""
    path = status_path(account.user_id)
    return itertools.repeat(request("GET", path, port, account.token))


def _put(account: Account, port: int, status_msg: str) -> bytes:
    body = json.dumps({"presence": "online", "status_msg": status_msg}).encode()
    path = status_path(account.user_id)
    return request("PUT", path, port, account.token, body)


def changing_puts(account: Account, port: int) -> Iterator[bytes]:
    """Two messages in turn: each request is a change."""
    return itertools.cycle(
        [_put(account, port, "at lunch"), _put(account, port, "back at work")]
    )


def unchanging_puts(account: Account, port: int) -> Iterator[bytes]:
    """The same status: nothing changes but the time of the activity."""
    return itertools.repeat(_put(account, port, "at lunch"))


STREAMS: dict[str, Stream] = {
    "GET": gets,
    "PUT changed": changing_puts,
    "PUT unchanged": unchanging_puts,
}


@attrs.frozen
class Round:
    """One contender in one round."""

    #: Requests a second.
    rate: float
    #: Processor time of the server for a request, in seconds.
    cpu: float
    latencies: Sequence[float]


@attrs.frozen
class Comparison:
    """One kind of request on all contenders, round by round."""

    name: str
    rounds: Mapping[str, Sequence[Round]]

    def rate(self, contender: str) -> float:
        """Requests a second, the median over the rounds."""
        return median(each.rate for each in self.rounds[contender])

    def cpu(self, contender: str) -> float:
        """Processor time for a request in seconds, the median over the rounds."""
        return median(each.cpu for each in self.rounds[contender])

    def ratio(self, contender: str) -> float:
        """Our rate by that of another, the median over the rounds."""
        pairs = zip(self.rounds["ours"], self.rounds[contender], strict=True)
        return median(ours.rate / other.rate for ours, other in pairs)

    def latency(self, share: float) -> float:
        """This percentile of ours over all rounds, in seconds."""
        return percentile(
            [latency for each in self.rounds["ours"] for latency in each.latencies],
            share,
        )

    def row(self) -> list[str]:
        """The line of the table."""
        return [
            self.name,
            *(f"{self.rate(contender):,.0f}" for contender in self.rounds),
            f"{self.ratio('bare'):.0%}",
            f"{self.ratio('silent'):.0%}",
            *(f"{1e6 * self.cpu(contender):.0f}" for contender in self.rounds),
            f"{1000 * self.latency(0.50):.2f}",
            f"{1000 * self.latency(0.99):.2f}",
        ]

    def figures(self) -> dict[str, float]:
        """The part of the JSON line."""
        found = {}
        for contender in self.rounds:
            found[f"{contender}_per_s"] = round(self.rate(contender), 1)
            found[f"{contender}_cpu_us"] = round(1e6 * self.cpu(contender), 1)
        return {
            **found,
            "ratio": round(self.ratio("bare"), 4),
            "ratio_silent": round(self.ratio("silent"), 4),
            "p50_ms": round(1000 * self.latency(0.50), 3),
            "p99_ms": round(1000 * self.latency(0.99), 3),
        }


def one_round(
    server: Server, accounts: Sequence[Account], stream: Stream, seconds: float
) -> Round:
    """This kind of request on one server, for so long."""
    streams = [stream(account, server.port) for account in accounts]
    before = server.cpu_seconds()
    sample = closed_loop(server.port, streams, seconds)
    cpu = (server.cpu_seconds() - before) / sample.requests
    return Round(sample.rate, cpu, sample.latencies)


def compare(
    contenders: Mapping[str, Server],
    accounts: Sequence[Account],
    rounds: int,
    seconds: float,
) -> list[Comparison]:
    """Every kind of request on every contender, in alternating rounds."""
    samples: dict[tuple[str, str], list[Round]] = {}
    for _, (kind, stream), (name, server) in itertools.product(
        range(rounds), STREAMS.items(), contenders.items()
    ):
        each = one_round(server, accounts, stream, seconds)
        samples.setdefault((kind, name), []).append(each)
    return [
        Comparison(kind, {name: samples[kind, name] for name in contenders})
        for kind in STREAMS
    ]


def main() -> None:
    """Run the bench and say what it found."""
    parser = argparse.ArgumentParser(description="PUT and GET of a status")
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one sample")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds = 0.2, 1
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-http-"))
        places = {part: Path(name, part) for part in ("ours", "bare", "silent")}
        for place in places.values():
            place.mkdir()
        contenders = {
            "ours": presence_server(places["ours"]),
            "bare": bare_server(places["bare"]),
            "silent": bare_server(places["silent"], silent=True),
        }
        for server in contenders.values():
            stack.enter_context(server)
        caller = Caller(contenders["ours"].port)
        accounts = [register(caller, f"user{n}") for n in range(CONNECTIONS)]
        share_a_room(caller, accounts)
        caller.close()
        found = compare(contenders, accounts, options.rounds, options.seconds)
    report(found)


def report(found: Sequence[Comparison]) -> None:
    """The table and the JSON line."""
    head = ["requests a second", "ours", "bare", "silent", "of bare", "of silent"]
    head += ["CPU us: ours", "bare", "silent", "p50 ms", "p99 ms"]
    print_table(head, [comparison.row() for comparison in found])
    figures = {comparison.name: comparison.figures() for comparison in found}
    reached = {
        against: all(each[key] >= TARGET for each in figures.values())
        for against, key in [("bare", "ratio"), ("silent", "ratio_silent")]
    }
    print_json("http", {"requests": figures, "target": TARGET, "reached": reached})


if __name__ == "__main__":
    main()
