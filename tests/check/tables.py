"""How a fault is written down: a function, and the checks that have to fail by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.check.faulty import Answer, Ask, Fault, Memory

FAULTS: dict[str, Fault] = {}
"""All there are, by name."""


def asked(*fails: int) -> Callable[[Callable[[Ask, Memory], None]], Any]:
    """Make a function that alters requests a fault, by which these checks fail."""

    def add(function: Callable[[Ask, Memory], None]) -> Any:
        _add(Fault(function.__name__, frozenset(fails), function, _as_it_is))
        return function

    return add


def answered(*fails: int) -> Callable[[Callable[[Ask, Answer, Memory], None]], Any]:
    """Make a function that alters answers a fault, by which these checks fail."""

    def add(function: Callable[[Ask, Answer, Memory], None]) -> Any:
        _add(Fault(function.__name__, frozenset(fails), _not_at_all, function))
        return function

    return add


def is_told(ask: Ask, answer: Answer) -> bool:
    """Whether it is a /sync that is answered."""
    return ask.is_sync and answer.status == 200


def is_told_news(ask: Ask, answer: Answer) -> bool:
    """The same, of what has changed."""
    return is_told(ask, answer) and "since" in ask.query


def presence_events(answer: Answer) -> list[dict[str, Any]]:
    """The presence events of a /sync; see `set_presence_events`."""
    found = answer.json
    events: list[dict[str, Any]] = (found.get("presence") or {}).get("events") or []
    return events


def set_presence_events(answer: Answer, events: list[dict[str, Any]]) -> None:
    """Put these in the place of the presence events of a /sync."""
    answer.json = {**answer.json, "presence": {"events": events}}


def keep_events(answer: Answer, keep: Callable[[dict[str, Any]], object]) -> None:
    """Leave out the presence events of a /sync that are not to be kept."""
    events = presence_events(answer)
    kept = [event for event in events if keep(event)]
    if len(kept) < len(events):
        set_presence_events(answer, kept)


def change_events(answer: Answer, change: Callable[[dict[str, Any]], None]) -> None:
    """Change each presence event of a /sync in place."""
    events = presence_events(answer)
    for event in events:
        change(event)
    if events:
        set_presence_events(answer, events)


def _add(fault: Fault) -> None:
    assert fault.name not in FAULTS, fault.name
    FAULTS[fault.name] = fault


def _not_at_all(ask: Ask, memory: Memory) -> None:
    """Alter nothing."""


def _as_it_is(ask: Ask, answer: Answer, memory: Memory) -> None:
    """Alter nothing."""
