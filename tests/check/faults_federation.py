"""Faults of a homeserver among others."""

from __future__ import annotations

from typing import Any

from tests.check.faulty import Answer, Ask, Fault, Memory
from tests.check.tables import SERVERS

answered, asked, heard = SERVERS.answered, SERVERS.asked, SERVERS.heard
_PUSHED = {114, 115, 116, 117, 118, 119, 121, 123, 124, 132, 133, 140}


def _sends(ask: Ask) -> bool:
    """Whether it is a transaction."""
    return "/federation/v1/send/" in ask.target


def _pushes(ask: Ask) -> list[Any]:
    """The contents of the presence EDUs of a transaction."""
    edus = ask.json.get("edus", []) if _sends(ask) and ask.json else []
    return [edu.get("content") for edu in edus if edu["edu_type"] == "m.presence"]


def _entries(ask: Ask) -> list[Any]:
    """What is pushed."""
    pushes = [content.get("push") for content in _pushes(ask)]
    return [said for push in pushes if isinstance(push, list) for said in push]


def _shown(ask: Ask, answer: Answer) -> bool:
    """Whether it is the status of a user of another server that is shown."""
    is_status = ask.is_status("GET") and answer.status == 200
    return is_status and not ask.whose.endswith(":hs.test")


# What it answers.


@answered(113)
def the_version_is_a_secret(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.target.endswith("/version"):
        answer.json = {"server": {}}


@answered(114)
def signatures_are_not_looked_at(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _sends(ask) and answer.status == 401:
        answer.status, answer.json = 200, {"pdus": {}}


@answered(122)
def transactions_have_no_limits(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _sends(ask) and answer.status == 400:
        answer.status, answer.json = 200, {"pdus": {}}


@answered(115, 123)
def transactions_are_counted(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _sends(ask) and answer.status == 200:
        memory["number"] = memory.get("number", 0) + 1
        answer.json = {"pdus": {}, "number": memory["number"]}


@answered(118)
def incomplete_entries_break_it(ask: Ask, answer: Answer, memory: Memory) -> None:
    if any(not {"user_id", "presence"} <= said.keys() for said in _entries(ask)):
        answer.status = 500


@answered(119)
def malformed_entries_break_it(ask: Ask, answer: Answer, memory: Memory) -> None:
    if any(said.get("last_active_ago") == "x" for said in _entries(ask)):
        answer.status = 500


@answered(120)
def malformed_pushes_break_it(ask: Ask, answer: Answer, memory: Memory) -> None:
    if {"push": 5} in _pushes(ask):
        answer.status = 500


@asked(121)
def unknown_edus_are_the_end(ask: Ask, memory: Memory) -> None:
    if _sends(ask) and b"check.unknown" in (ask.body or b""):
        ask.reply(200, {"pdus": {}})


# What it does with what it is told.


@asked(*_PUSHED)
def pushes_are_lost(ask: Ask, memory: Memory) -> None:
    if _entries(ask):
        ask.reply(200, {"pdus": {}})


@answered(116)
def times_of_others_stand_still(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _shown(ask, answer) and "last_active_ago" in answer.json:
        if answer.json["last_active_ago"] > 50_000:
            answer.json = {**answer.json, "last_active_ago": 60_000}


@answered(117)
def anybody_is_believed(ask: Ask, answer: Answer, memory: Memory) -> None:
    for said in _entries(ask):
        if said.get("status_msg") == "spoofed":
            memory[said["user_id"]] = said
    if ask.is_status("GET") and ask.whose in memory:
        answer.status, answer.json = 200, memory[ask.whose]


@answered(124)
def everybody_sees_others(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("GET") and answer.status == 403:
        answer.status, answer.json = 200, {"presence": "offline"}


@answered(132)
def others_stay_as_they_are(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _shown(ask, answer) and answer.json["presence"] == "offline":
        answer.json = {**answer.json, "presence": "online"}


@answered(133)
def other_states_are_numbers(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _shown(ask, answer) and b'"as ' in answer.body:
        answer.json = {**answer.json, "presence": 5}


# What it tells.


def _told(edu: Any) -> list[dict[str, Any]]:
    """What an EDU pushes."""
    return list(edu["content"].get("push", ()))


def _with(edu: Any, push: list[Any]) -> list[Any]:
    """The same EDU with this for its push; none if that is empty."""
    content = {**edu["content"], "push": push}
    return [{**edu, "content": content}] if push else []


@heard(125, 126, 127, 128, 129, 130, 131, 134, 135, 136, 137, 144)
def nobody_is_told(edu: Any, memory: Memory) -> list[Any]:
    return [] if _told(edu) else [edu]


@heard(125, 127)
def times_are_left_out(edu: Any, memory: Memory) -> list[Any]:
    push = [{k: v for k, v in said.items() if k[:4] != "last"} for said in _told(edu)]
    return _with(edu, push) or [edu]


@heard(126, 127)
def offline_is_not_told(edu: Any, memory: Memory) -> list[Any]:
    told = _told(edu)
    kept = [said for said in told if said["presence"] != "offline"]
    return [edu] if len(kept) == len(told) else _with(edu, kept)


def _notes_c(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("PUT") and ask.whose.startswith("@check-c-"):
        memory["c"] = {**ask.json, "user_id": ask.whose, "last_active_ago": 0}


def _adds_c(edu: Any, memory: Memory) -> list[Any]:
    return _with(edu, [*_told(edu), memory["c"]]) if "c" in memory else [edu]


SERVERS.add(
    Fault(
        "everybody_is_told_of",
        frozenset({128, 136}),
        answered=_notes_c,
        heard=_adds_c,
    )
)


@heard(129)
def joiners_are_told_nothing(edu: Any, memory: Memory) -> list[Any]:
    return [edu] if "there before" not in str(edu) else []


@heard(130)
def who_comes_in_is_not_told_of(edu: Any, memory: Memory) -> list[Any]:
    return [edu] if "coming in" not in str(edu) else []


@heard(144)
def what_was_missed_is_told(edu: Any, memory: Memory) -> list[Any]:
    told = _told(edu)
    if told and told[-1].get("status_msg") == "now":
        return [*_with(edu, [{**told[-1], "status_msg": "missed 2"}]), edu]
    return [edu]


# Presence lists.


def _is_letter(edu: Any, kind: str) -> bool:
    return bool(edu["edu_type"] == f"m.presence_{kind}")


@heard(135, 137, 139)
def accepting_is_not_told(edu: Any, memory: Memory) -> list[Any]:
    return [] if _is_letter(edu, "accept") else [edu]


@asked(138)
def anybody_is_accepted(ask: Ask, memory: Memory) -> None:
    if _brings(ask, "m.presence_invite") and _brings(ask, "nobody-at-all"):
        (edu,) = ask.json["edus"]
        ask.tells = [{**edu, "edu_type": "m.presence_accept"}]


@heard(140)
def invites_say_more(edu: Any, memory: Memory) -> list[Any]:
    if _is_letter(edu, "invite"):
        return [{**edu, "content": {**edu["content"], "message": "hello"}}]
    return [edu]


@heard(143)
def dropping_is_not_told(edu: Any, memory: Memory) -> list[Any]:
    return [] if "unpoll" in edu["content"] else [edu]


def _brings(ask: Ask, text: str) -> bool:
    return _sends(ask) and text.encode() in (ask.body or b"")


@asked(134)
def polls_are_not_answered(ask: Ask, memory: Memory) -> None:
    if _brings(ask, '"poll"'):
        ask.reply(200, {"pdus": {}})


@asked(135)
def unpolls_are_not_heard(ask: Ask, memory: Memory) -> None:
    if _brings(ask, '"unpoll"'):
        ask.reply(200, {"pdus": {}})


@asked(141)
def denials_are_not_heard(ask: Ask, memory: Memory) -> None:
    if _brings(ask, "m.presence_deny"):
        ask.reply(200, {"pdus": {}})


@answered(141, 142)
def any_accept_counts(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _brings(ask, "m.presence_accept"):
        letter = ask.json["edus"][0]["content"]
        memory[letter["observer_user"]] = letter["observed_user"]
    if ask.is_list("GET") and ask.whose in memory and answer.json == []:
        answer.json = [{"user_id": memory[ask.whose], "presence": "online"}]


@asked(139)
def anybody_may_invite(ask: Ask, memory: Memory) -> None:
    if _brings(ask, "m.presence_invite") and _brings(ask, "@check:elsewhere.invalid"):
        (edu,) = ask.json["edus"]
        ask.tells = [{**edu, "edu_type": "m.presence_accept"}]


@asked(131)
def leaving_does_nothing(ask: Ask, memory: Memory) -> None:
    if "/send_leave/" in ask.target:
        ask.reply(200, {})
