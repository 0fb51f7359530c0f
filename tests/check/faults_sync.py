"""Faults of /sync, and of what a homeserver does by itself."""

from __future__ import annotations

from tests.check.faulty import Answer, Ask, Memory
from tests.check.tables import (
    CLIENTS,
    is_told,
    is_told_news,
    keep_events,
    presence_events,
    set_presence_events,
)

answered, asked = CLIENTS.answered, CLIENTS.asked

# What a sync does.


@asked(45)
def looking_makes_newcomers_online(ask: Ask, memory: Memory) -> None:
    if ask.is_sync and ask.user_id is None:
        ask.query["set_presence"] = "online"


@asked(46)
def a_sync_makes_nobody_idle(ask: Ask, memory: Memory) -> None:
    if ask.is_sync and ask.query.get("set_presence") == "unavailable":
        ask.query["set_presence"] = "offline"


@asked(47, 71, 77, 78)
def a_sync_makes_nobody_online(ask: Ask, memory: Memory) -> None:
    if ask.is_sync and ask.query.get("set_presence") == "online":
        ask.query["set_presence"] = "offline"


@asked(48)
def a_plain_sync_does_nothing(ask: Ask, memory: Memory) -> None:
    if ask.is_sync and "set_presence" not in ask.query:
        ask.query["set_presence"] = "offline"


@asked(49)
def anything_can_be_stated(ask: Ask, memory: Memory) -> None:
    if ask.is_sync and ask.query.get("set_presence") == "bogus":
        ask.query["set_presence"] = "online"


@asked(71, 78)
def a_long_poll_is_no_connection(ask: Ask, memory: Memory) -> None:
    if ask.is_sync and int(ask.query.get("timeout", 0)) > 4000:
        if ask.query.get("set_presence") == "online":
            ask.query["set_presence"] = "offline"


@answered(72)
def the_limit_stops_syncs(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_sync and ask.query.get("set_presence") == "unavailable":
        memory["syncs"] = memory.get("syncs", 0) + 1
        if memory["syncs"] > 5:
            answer.status, answer.json = 429, {"errcode": "M_LIMIT_EXCEEDED"}


# Who is told of whom.


@answered(43)
def nobody_is_told_of_themself(ask: Ask, answer: Answer, memory: Memory) -> None:
    if is_told(ask, answer) and "since" not in ask.query:
        keep_events(answer, lambda event: event["sender"] != ask.user_id)


@answered(46, 51, 77, 78, 83)
def nobody_is_told_of_the_idle(ask: Ask, answer: Answer, memory: Memory) -> None:
    _tell_no(ask, answer, "unavailable")


@answered(52, 70, 83, 155)
def nobody_is_told_of_the_offline(ask: Ask, answer: Answer, memory: Memory) -> None:
    _tell_no(ask, answer, "offline")


def _tell_no(ask: Ask, answer: Answer, presence: str) -> None:
    if is_told_news(ask, answer):
        keep_events(answer, lambda event: event["content"]["presence"] != presence)


@answered(53, 57, 81)
def news_are_told_twice(ask: Ask, answer: Answer, memory: Memory) -> None:
    if is_told_news(ask, answer):
        events = presence_events(answer)
        before = memory.get(ask.token, [])
        memory[ask.token] = events
        if before:
            set_presence_events(answer, before + events)


@answered(54)
def each_changeis_told(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("PUT") and answer.status == 200:
        memory.setdefault(ask.user_id, []).append(ask.json)
    if is_told_news(ask, answer):
        told = []
        for event in presence_events(answer):
            for content in memory.pop(event["sender"], [])[:-1]:
                told.append({**event, "content": {**event["content"], **content}})
            told.append(event)
        if len(told) > len(presence_events(answer)):
            set_presence_events(answer, told)


@answered(55, 61, 64, 67, 96, 97, 98)
def everybody_is_told_of_everybody(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("PUT") and answer.status == 200:
        # With those who have been told of it.
        memory[ask.user_id] = ask.json, {ask.user_id}
    if is_told_news(ask, answer):
        events = presence_events(answer)
        for user_id, (content, told) in memory.items():
            if ask.user_id not in told and user_id not in {e["sender"] for e in events}:
                event = {"type": "m.presence", "sender": user_id, "content": content}
                set_presence_events(answer, [*presence_events(answer), event])
            told.add(ask.user_id)


@answered(56)
def who_joins_is_told_nothing(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.path.startswith("join/"):
        memory[ask.user_id] = True
    if is_told_news(ask, answer) and ask.user_id in memory:
        keep_events(answer, lambda event: event["sender"] == ask.user_id)


@answered(57, 58)
def nobody_is_told_of_who_joins(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.path.startswith("join/"):
        memory[ask.user_id] = True
    if is_told_news(ask, answer) and ask.user_id not in memory:
        keep_events(answer, lambda event: event["sender"] not in memory)


@answered(58)
def one_room_is_enough(ask: Ask, answer: Answer, memory: Memory) -> None:
    if is_told_news(ask, answer):
        for event in presence_events(answer):
            if event["sender"] != ask.user_id:
                memory.setdefault(ask.token, event["sender"])
        seen = {ask.user_id, memory.get(ask.token)}
        keep_events(answer, lambda event: event["sender"] in seen)


@answered(43, 44, 46, 59, 60, 62, 63, 65, 66, 112)
def a_first_sync_is_of_news_only(ask: Ask, answer: Answer, memory: Memory) -> None:
    if is_told(ask, answer) and "since" not in ask.query:
        keep_events(answer, lambda event: False)


@asked(60)
def the_full_state_is_not_known(ask: Ask, memory: Memory) -> None:
    ask.query.pop("full_state", None)


@asked(67)
def nobody_can_be_ignored(ask: Ask, memory: Memory) -> None:
    if ask.path.endswith("m.ignored_user_list") and ask.method == "PUT":
        ask.json = {"ignored_users": {}}


@answered(47, 48, 50, 53, 56, 57, 58, 70, 78, 79, 80, 81, 82)
def the_offline_are_told_of_too_soon(ask: Ask, answer: Answer, memory: Memory) -> None:
    if is_told_news(ask, answer) and ask.query["timeout"] != "0":
        events = presence_events(answer)
        online = [each for each in events if each["content"]["presence"] == "online"]
        for event in online:
            event["content"] = {"presence": "offline", "last_active_ago": 0}
        if online:
            set_presence_events(answer, events)
