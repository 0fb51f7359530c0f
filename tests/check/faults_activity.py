"""Faults of what counts as activity, and of several devices."""

from __future__ import annotations

from typing import Any

from tests.check.faulty import Answer, Ask, Memory
from tests.check.tables import (
    CLIENTS,
    is_told_news,
    keep_events,
    presence_events,
    set_presence_events,
)

answered, asked = CLIENTS.answered, CLIENTS.asked

# Activity, idleness, devices.


def _swallow(ask: Ask, *parts: str) -> None:
    """Pretend to do what has one of these in its path."""
    if ask.method in {"PUT", "POST"} and any(part in ask.path for part in parts):
        ask.reply(200, {"event_id": "$swallowed"})


@asked(73, 75, 78, 79)
def messages_are_lost(ask: Ask, memory: Memory) -> None:
    _swallow(ask, "/send/m.room.message/")


@asked(74)
def encrypted_messages_are_lost(ask: Ask, memory: Memory) -> None:
    _swallow(ask, "/send/m.room.encrypted/")


@asked(75)
def reading_is_not_noticed(ask: Ask, memory: Memory) -> None:
    _swallow(ask, "/receipt/", "/typing/", "/read_markers")


@answered(76)
def polling_is_activity(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_sync and ask.query.get("set_presence") == "online":
        memory[ask.user_id] = ask.now
    if ask.is_status("GET") and ask.whose in memory and answer.status == 200:
        ago = min(ask.now - memory[ask.whose], answer.json.get("last_active_ago", 0))
        answer.json = {**answer.json, "last_active_ago": ago}


@answered(80)
def activity_has_no_end(ask: Ask, answer: Answer, memory: Memory) -> None:
    if is_told_news(ask, answer):
        keep_events(
            answer, lambda event: event["content"].get("currently_active") is not False
        )


@answered(81)
def each_message_is_news(ask: Ask, answer: Answer, memory: Memory) -> None:
    for event in presence_events(answer) if ask.is_sync else ():
        memory[event["sender"]] = event
    if "/send/" in ask.path and ask.user_id in memory:
        memory["news"] = memory[ask.user_id]
    if is_told_news(ask, answer) and not presence_events(answer):
        if "news" in memory:
            set_presence_events(answer, [memory.pop("news")])


@answered(82)
def the_active_have_no_news(ask: Ask, answer: Answer, memory: Memory) -> None:
    def is_kept(event: dict[str, Any]) -> bool:
        active = event["content"].get("currently_active") is True
        was_active = memory.get((ask.token, event["sender"]))
        memory[ask.token, event["sender"]] = active
        return not active or not was_active

    if is_told_news(ask, answer):
        keep_events(answer, is_kept)


@answered(84, 108)
def the_idle_have_just_been_active(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("GET") and answer.status == 200:
        if answer.json["presence"] == "unavailable":
            answer.json = {**answer.json, "last_active_ago": 0}


@asked(85)
def who_is_online_already_is_not_heard(ask: Ask, memory: Memory) -> None:
    if ask.is_status("PUT") and ask.whose == ask.user_id:
        if ask.json == {"presence": "online"} == memory.get(ask.token):
            ask.reply(200, {})
        memory[ask.token] = ask.json


@answered(86)
def a_message_wakes_half(ask: Ask, answer: Answer, memory: Memory) -> None:
    if "/send/" in ask.path:
        memory[ask.user_id] = True
    if ask.is_status("GET") and ask.whose in memory and answer.status == 200:
        if answer.json["presence"] != "unavailable":
            answer.json = {**answer.json, "presence": "unavailable"}


@answered(68, 69, 77, 78, 105)
def the_last_device_counts(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("PUT") and answer.status == 200:
        memory[ask.whose] = ask.json["presence"]
    if ask.is_status("GET") and ask.whose in memory and answer.status == 200:
        if answer.json["presence"] != memory[ask.whose]:
            answer.json = {**answer.json, "presence": memory[ask.whose]}


@answered(69)
def who_logs_out_stays(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.path == "logout":
        memory["logged out"] = True
    if ask.is_status("GET") and memory and answer.status == 200:
        if answer.json["presence"] != "online":
            answer.json = {**answer.json, "presence": "online"}
