"""Faults of what only old clients use."""

from __future__ import annotations

from typing import Any

from tests.check.faulty import Answer, Ask, Memory
from tests.check.tables import CLIENTS, change_events

answered, asked = CLIENTS.answered, CLIENTS.asked

FREE = "free_for_chat"


def _listed(ask: Ask, answer: Answer) -> bool:
    """Whether it is a list that is shown."""
    return ask.is_list("GET") and answer.status == 200


def _said(ask: Ask, key: str) -> list[Any]:
    """What a change of a list says under a key."""
    found = ask.json if ask.is_list("POST") else None
    items = found.get(key) if isinstance(found, dict) else None
    return items if isinstance(items, list) else []


def _without(ask: Ask, key: str) -> None:
    """Leave this out of a change of a list."""
    if _said(ask, key):
        ask.json = {k: v for k, v in ask.json.items() if k != key}


@answered(91)
def newcomers_have_a_list(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _listed(ask, answer) and ask.user_id is None:
        answer.json = [{"user_id": "@x:hs.test", "presence": "offline"}]


@answered(92)
def a_change_is_answered_with_text(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_list("POST") and answer.status == 200:
        answer.json = ""


@answered(93)
def entries_have_no_presence(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _listed(ask, answer) and answer.json:
        answer.json = [{"user_id": entry["user_id"]} for entry in answer.json]


@asked(94, 95, 97, 98, 102, 104)
def accepting_does_nothing(ask: Ask, memory: Memory) -> None:
    _without(ask, "accept")


@answered(94)
def lists_do_not_show_statuses(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _said(ask, "invite"):
        memory["listed"] = _said(ask, "invite")
    if ask.is_sync and "listed" in memory:

        def hide(event: dict[str, Any]) -> None:
            if event["sender"] in memory["listed"]:
                event["content"].pop("status_msg", None)

        change_events(answer, hide)


@answered(95)
def who_is_observed_sees_back(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _said(ask, "accept"):
        memory[ask.user_id] = _said(ask, "accept")
    if ask.is_status("GET") and ask.whose in memory.get(ask.user_id, ()):
        answer.status, answer.json = 200, {"presence": "online"}


@answered(96, 97)
def who_is_invited_is_seen(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _said(ask, "invite"):
        memory[ask.user_id] = _said(ask, "invite")
    if _said(ask, "drop"):
        memory.clear()
    if ask.is_status("GET") and ask.whose in memory.get(ask.user_id, ()):
        if answer.status == 403:
            answer.status, answer.json = 200, {"presence": "online"}


@asked(97)
def denying_does_nothing(ask: Ask, memory: Memory) -> None:
    _without(ask, "deny")


@asked(98)
def dropping_does_nothing(ask: Ask, memory: Memory) -> None:
    _without(ask, "drop")


@answered(99)
def a_change_must_change(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_list("POST") and ask.json == {}:
        answer.status = 400


@asked(100)
def wrong_items_are_passed_over(ask: Ask, memory: Memory) -> None:
    items = _said(ask, "invite")
    right = [one for one in items if isinstance(one, str) and one != "bad"]
    if len(right) < len(items):
        ask.json = {"invite": right}


@answered(101)
def lists_can_be_read_by_anybody(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_list("GET") and answer.status == 403:
        answer.status, answer.json = 200, []


@answered(102)
def two_invites_are_two_entries(ask: Ask, answer: Answer, memory: Memory) -> None:
    memory["invites"] = memory.get("invites", 0) + len(_said(ask, "invite"))
    if _listed(ask, answer) and memory["invites"] > 1 and answer.json:
        answer.json = answer.json * 2


@answered(103)
def nobody_is_listed_too(ask: Ask, answer: Answer, memory: Memory) -> None:
    for user_id in _said(ask, "invite"):
        if "nobody" in str(user_id):
            memory["nobody"] = user_id
    if _listed(ask, answer) and memory.get("nobody"):
        answer.json = [{"user_id": memory["nobody"], "presence": "offline"}]


@answered(104)
def a_restart_loses_lists(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _listed(ask, answer) and ask.restarted:
        answer.json = []


@answered(105)
def free_for_chat_is_online(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("GET") and answer.status == 200:
        if answer.json["presence"] == FREE:
            answer.json = {**answer.json, "presence": "online"}


@asked(106)
def v3_knows_free_for_chat(ask: Ask, memory: Memory) -> None:
    if ask.version == "v3" and ask.is_status("PUT"):
        if ask.json == {"presence": FREE}:
            ask.json = {"presence": "online"}


@answered(107)
def raising_is_not_noticed(ask: Ask, answer: Answer, memory: Memory) -> None:
    _move_times(ask, answer, 2000)


@answered(108)
def lowering_is_taken_for_activity(ask: Ask, answer: Answer, memory: Memory) -> None:
    _move_times(ask, answer, -2000)


def _move_times(ask: Ask, answer: Answer, by: int) -> None:
    if ask.version == "r0" and ask.is_status("GET") and answer.status == 200:
        ago = answer.json["last_active_ago"]
        answer.json = {**answer.json, "last_active_ago": max(0, ago + by)}


@answered(109, 110)
def the_first_sync_has_no_end(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.path == "initialSync":
        answer.json = {k: v for k, v in answer.json.items() if k != "end"}


@answered(110)
def the_stream_is_silent(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.path == "events" and answer.json.get("chunk"):
        answer.json = {**answer.json, "chunk": []}


@answered(111)
def rooms_show_no_presence(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.path.startswith("rooms/") and ask.path.endswith("/initialSync"):
        answer.json = {**answer.json, "presence": []}


@answered(112)
def senders_are_in_the_content(ask: Ask, answer: Answer, memory: Memory) -> None:
    def move(event: dict[str, Any]) -> None:
        event["content"]["user_id"] = event.pop("sender")

    if ask.is_sync and ask.version == "r0" and answer.status == 200:
        change_events(answer, move)
