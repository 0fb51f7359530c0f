"""Presence to other servers: a day of a thousand users and two hundred servers.

    python -m contrib.bench.federation_day [--users N] [--servers N] [--quick]

A made-up day is replayed in virtual time: sessions on several devices that poll,
idling, and servers that are down or flap. Counted are the entries and the transactions
that arrive. Beside them stands what one EDU for each change and server would be,
changes being what others can see of a user, and what Synapse would send by its rules:
with the same polls (see `synapse_polled`, a model that a test compares with the real
one), and if there were no pause between polls and no rate limit (see `synapse_rules`),
which would spare it from taking users for offline who poll. And the least: an entry for
each server that is up when a state or a status has outlived the window of a
destination. Whoever tells states promptly cannot do with less, however they treat
activity, and however they keep users from being timed out. In the end every server has
to show what holds. Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from contrib.bench.day import DAY, Event, day_of
from contrib.bench.day_replay import Replay
from contrib.bench.polls import Timelines, polled
from contrib.bench.report import print_json, print_table
from contrib.bench.synapse_polled import SynapsePolled
from contrib.bench.synapse_rules import SynapseRules
from contrib.bench.synapse_sending import SynapseSending


def measure(users: int, servers: int) -> dict[str, float]:
    """Live through the day, and count what it would have cost otherwise."""
    replay = Replay(users, servers)
    events = day_of(users, seed=1)
    timelines = Timelines(events, replay.rooms, seed=1)

    def is_up(server: int, at: float) -> bool:
        return replay.peers[server].is_up(at)

    never_pausing = SynapseSending(replay.servers_of, is_up)
    SynapseRules(never_pausing.tell).replay(events, DAY)
    as_polled = SynapseSending(replay.servers_of, is_up)
    synapse = SynapsePolled(lambda user, at, _: as_polled.tell(user, at))

    def for_both() -> Iterator[Event]:
        for event in polled(events, timelines):
            synapse.happened(event)
            yield event

    polls = replay.live(for_both())
    synapse.pass_time(DAY)
    internet = replay.internet
    entries, transactions = internet.entries, internet.transactions
    replay.settle()
    return {
        "events": len(events),
        "polls": polls,
        "changes": replay.changes,
        "entries": entries,
        "transactions": transactions,
        "megabytes": internet.bytes / 1e6,
        "synapse_entries": as_polled.entries,
        "synapse_transactions": as_polled.transactions,
        "never_pausing_entries": never_pausing.entries,
        "never_pausing_transactions": never_pausing.transactions,
        "least": replay.least,
        "transactions_of_changes": transactions / replay.changes,
        "transactions_of_synapse": transactions / as_polled.transactions,
        "transactions_of_never_pausing": transactions / never_pausing.transactions,
        "entries_of_changes": entries / replay.changes,
        "entries_of_synapse": entries / as_polled.entries,
        "entries_of_never_pausing": entries / never_pausing.entries,
        "entries_of_least": entries / replay.least,
        "wrong": replay.wrong(),
    }


ASKED: list[tuple[str, str, float]] = [
    ("transactions_of_changes", "transactions, of one for each change", 0.1),
    ("transactions_of_synapse", "transactions, of Synapse's as clients poll", 0.25),
    (
        "transactions_of_never_pausing",
        "transactions, of Synapse's if polls never paused",
        0.25,
    ),
    ("entries_of_changes", "entries, of one for each change", 0.1),
    ("entries_of_synapse", "entries, of Synapse's as clients poll", 0.25),
    ("entries_of_never_pausing", "entries, of Synapse's if polls never paused", 0.25),
    ("wrong", "users shown as they are not, in the end", 0),
]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--servers", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="a fraction of it")
    args = parser.parse_args()
    users, servers = (30, 10) if args.quick else (args.users, args.servers)
    figures = measure(users, servers)
    counts: list[tuple[str, float, float | None]] = [
        ("ours", figures["entries"], figures["transactions"]),
        ("one EDU for each change", figures["changes"], figures["changes"]),
        (
            "Synapse, by its rules, as clients poll",
            figures["synapse_entries"],
            figures["synapse_transactions"],
        ),
        (
            "Synapse, by its rules, polls never pausing",
            figures["never_pausing_entries"],
            figures["never_pausing_transactions"],
        ),
        ("the least, if states are told promptly", figures["least"], None),
    ]
    print(f"A day of {users:,} users and {servers:,} servers")
    rows = [
        (who, f"{told:,}", "" if sent is None else f"{sent:,}")
        for who, told, sent in counts
    ]
    print_table(("", "entries", "transactions"), rows)
    print()
    rows = [
        (
            what,
            f"{figures[key]:,.3f}",
            f"<= {asked:,}" + ("" if figures[key] <= asked else "  MISSED"),
        )
        for key, what, asked in ASKED
    ]
    print_table(("", "measured", "asked"), rows)
    print_json("federation_day", figures)


if __name__ == "__main__":
    main()
