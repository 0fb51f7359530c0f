"""How a fault is written down: a function, and the checks that have to fail by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.check.faulty import Answer, Ask, Fault, Memory


class Table:
    """Faults, by their names: those of the functions that are put into it."""

    def __init__(self) -> None:
        self.faults: dict[str, Fault] = {}

    def asked(self, *fails: int) -> Callable[[Callable[[Ask, Memory], None]], Any]:
        """Put in a function that alters requests, by which these checks fail."""
        return self._adding(fails, lambda alter: {"asked": alter})

    def answered(
        self, *fails: int
    ) -> Callable[[Callable[[Ask, Answer, Memory], None]], Any]:
        """Put in a function that alters answers, by which these checks fail."""
        return self._adding(fails, lambda alter: {"answered": alter})

    def heard(self, *fails: int) -> Callable[[Callable[[Any, Memory], list[Any]]], Any]:
        """Put in a function that alters EDUs, by which these checks fail."""
        return self._adding(fails, lambda alter: {"heard": alter})

    def add(self, fault: Fault) -> None:
        """Put in one that alters several things."""
        assert fault.name not in self.faults, fault.name
        self.faults[fault.name] = fault

    def _adding(
        self, fails: tuple[int, ...], hook: Callable[[Any], dict[str, Any]]
    ) -> Callable[[Any], Any]:
        def add(alter: Any) -> Any:
            self.add(Fault(alter.__name__, frozenset(fails), **hook(alter)))
            return alter

        return add


CLIENTS = Table()
"""What is wrong with what clients see."""
SERVERS = Table()
"""What is wrong with what other servers see."""


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
