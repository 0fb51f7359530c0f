"""Faults of filters, and of what a presence event holds."""

from __future__ import annotations

from typing import Any

import orjson

from tests.check.faulty import Answer, Ask, Memory
from tests.check.tables import CLIENTS, change_events, is_told, presence_events

answered, asked = CLIENTS.answered, CLIENTS.asked


def _filter(ask: Ask) -> dict[str, Any]:
    """The filter of a /sync, written out; empty if it is not."""
    found = ask.query.get("filter", "")
    return orjson.loads(found) if found.startswith("{") else {}


def _set_filter(ask: Ask, **presence: Any) -> None:
    """Change these keys of the presence part; leave out those that are None."""
    found = _filter(ask)
    part = {**found.get("presence", {}), **presence}
    found["presence"] = {k: v for k, v in part.items() if v is not None}
    ask.query["filter"] = orjson.dumps(found).decode()


# What of it.


@answered(44)
def presence_has_event_ids(ask: Ask, answer: Answer, memory: Memory) -> None:
    if is_told(ask, answer) and "since" not in ask.query:
        change_events(answer, lambda event: event.update(event_id="$x"))


@asked(61)
def no_types_are_all_types(ask: Ask, memory: Memory) -> None:
    if ask.is_sync and _filter(ask).get("presence", {}).get("types") == []:
        _set_filter(ask, types=None)


@asked(62)
def stars_are_letters(ask: Ask, memory: Memory) -> None:
    if ask.is_sync and _filter(ask).get("presence", {}).get("types") == ["m.*"]:
        _set_filter(ask, types=["m.star"])


@asked(63, 65)
def not_senders_is_not_known(ask: Ask, memory: Memory) -> None:
    if ask.is_sync and "not_senders" in _filter(ask).get("presence", {}):
        _set_filter(ask, not_senders=None)


@asked(64)
def limits_are_not_known(ask: Ask, memory: Memory) -> None:
    if ask.is_sync and "limit" in _filter(ask).get("presence", {}):
        _set_filter(ask, limit=None)


@asked(65)
def stored_filters_are_lost(ask: Ask, memory: Memory) -> None:
    if ask.is_sync and not _filter(ask):
        ask.query.pop("filter", None)


@answered(66)
def fields_are_misunderstood(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_sync and "event_fields" in _filter(ask):
        change_events(answer, lambda event: event.pop("sender", None))


@answered(88)
def nobody_has_a_picture(ask: Ask, answer: Answer, memory: Memory) -> None:
    _without(ask, answer, "avatar_url")


@answered(87, 88, 89)
def nobody_has_a_name(ask: Ask, answer: Answer, memory: Memory) -> None:
    _without(ask, answer, "displayname")


def _without(ask: Ask, answer: Answer, key: str) -> None:
    if is_told(ask, answer):
        if any(key in each.get("content", {}) for each in presence_events(answer)):
            change_events(answer, lambda event: event["content"].pop(key, None))


@asked(90)
def a_name_stays_for_ever(ask: Ask, memory: Memory) -> None:
    if ask.method == "DELETE" and ask.path.endswith("/displayname"):
        ask.reply(200, {})
