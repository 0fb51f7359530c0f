"""Faults of the status endpoint."""

from __future__ import annotations

from typing import Any

from tests.check.faulty import Answer, Ask, Memory
from tests.check.tables import CLIENTS

answered, asked = CLIENTS.answered, CLIENTS.asked

CORS = "Access-Control-Allow-Origin"


def _change_status(answer: Answer, **keys: Any) -> None:
    """Change these keys of a status; leave out those that are None."""
    status = {**answer.json, **keys}
    answer.json = {key: value for key, value in status.items() if value is not None}


def _shown(ask: Ask, answer: Answer) -> bool:
    """Whether it is a status that is shown."""
    return ask.is_status("GET") and answer.status == 200


# Who may.


@answered(1)
def anybody_may_read(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("GET") and ask.token is None and answer.status == 401:
        answer.status, answer.json = 200, {"presence": "offline"}


@answered(2)
def an_unknown_token_is_forbidden(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("GET") and ask.token is not None and answer.status == 401:
        answer.status = 403


@answered(3)
def anybody_may_set(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("PUT") and ask.token is None:
        answer.status, answer.json = 200, {}


@answered(19)
def the_status_of_others_can_be_set(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("PUT") and ask.json and ask.whose.startswith("@check-b-"):
        if ask.user_id not in (None, ask.whose):
            answer.status, answer.json = 200, {}


@answered(20)
def who_is_not_there_is_not_found(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("PUT") and "check-nobody" in ask.whose:
        answer.status = 404


@answered(21)
def what_is_no_user_id_breaks_it(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.path == "presence/foo/status":
        answer.status = 500


@answered(22)
def lower_case_escapes_are_not_known(ask: Ask, answer: Answer, memory: Memory) -> None:
    if "%3a" in ask.target:
        answer.status = 404


@answered(23, 40, 71, 94, 105, 149, 155)
def room_mates_are_seen_offline(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _shown(ask, answer) and ask.user_id not in (None, ask.whose):
        answer.json = {"presence": "offline"}


@answered(24, 25, 26, 27, 95, 96, 97, 98, 145, 155)
def strangers_are_seen(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("GET") and answer.status == 403:
        answer.status, answer.json = 200, {"presence": "offline"}


@answered(25)
def who_is_not_there_can_be_told(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("GET") and "check-nobody" in ask.whose:
        answer.status = 404


@answered(26)
def an_invite_shows(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.path.endswith("/invite"):
        memory["pair"] = {ask.user_id, ask.json["user_id"]}
    if ask.is_status("GET") and {ask.user_id, ask.whose} == memory.get("pair"):
        answer.status, answer.json = 200, {"presence": "online"}


@answered(27, 155)
def who_was_seen_stays_seen(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("GET"):
        key = ask.user_id, ask.whose
        if answer.status == 200:
            memory[key] = answer.body
        elif key in memory:
            answer.status, answer.body = 200, memory[key]


# What is set.


@answered(5)
def a_put_is_answered_with_text(ask: Ask, answer: Answer, memory: Memory) -> None:
    says_online = ask.is_status("PUT") and ask.json == {"presence": "online"}
    if says_online and ask.whose.startswith("@check-a-"):
        answer.json = ""


@answered(8, 52, 70, 83, 86, 155)
def nobody_can_be_offline(ask: Ask, answer: Answer, memory: Memory) -> None:
    if answer.status == 200 and b'"offline"' in answer.body:
        answer.body = answer.body.replace(b'"offline"', b'"unavailable"')


@asked(7, 51, 80, 81, 82, 83, 84, 93, 108)
def nobody_can_be_unavailable(ask: Ask, memory: Memory) -> None:
    said = ask.json
    if ask.is_status("PUT") and isinstance(said, dict):
        if said.get("presence") == "unavailable":
            ask.json = {**said, "presence": "online"}


@asked(9)
def an_omitted_message_keeps_the_last(ask: Ask, memory: Memory) -> None:
    _keep(ask, memory, lambda said: "status_msg" not in said)


@asked(10)
def an_empty_message_keeps_the_last(ask: Ask, memory: Memory) -> None:
    _keep(ask, memory, lambda said: said.get("status_msg") == "")


@asked(11)
def a_message_of_null_keeps_the_last(ask: Ask, memory: Memory) -> None:
    _keep(ask, memory, lambda said: said.get("status_msg", 0) is None)


def _keep(ask: Ask, memory: Memory, wanted: Any) -> None:
    said = ask.json
    if not ask.is_status("PUT") or not isinstance(said, dict):
        return
    if wanted(said) and ask.token in memory:
        ask.json = {**said, "status_msg": memory[ask.token]}
    elif isinstance(said.get("status_msg"), str):
        memory[ask.token] = said["status_msg"]


@asked(12)
def who_says_no_state_is_online(ask: Ask, memory: Memory) -> None:
    said = ask.json
    if ask.is_status("PUT") and isinstance(said, dict):
        ask.json = {"presence": "online", **said}


@asked(13)
def unknown_states_are_unavailable(ask: Ask, memory: Memory) -> None:
    said = ask.json
    if ask.is_status("PUT") and said == {"presence": "dnd"}:
        ask.json = {"presence": "unavailable"}


@answered(14)
def a_state_that_is_no_string_breaks_it(
    ask: Ask, answer: Answer, memory: Memory
) -> None:
    said = ask.json
    if ask.is_status("PUT") and isinstance(said, dict):
        if not isinstance(said.get("presence", ""), str):
            answer.status = 500


@asked(15)
def a_message_may_be_a_number(ask: Ask, memory: Memory) -> None:
    said = ask.json
    if ask.is_status("PUT") and isinstance(said, dict):
        if isinstance(said.get("status_msg"), int):
            ask.json = {**said, "status_msg": str(said["status_msg"])}


@answered(16)
def what_is_no_json_breaks_it(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("PUT") and ask.body == b"{":
        answer.status = 500


@answered(17)
def what_is_no_object_breaks_it(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("PUT") and isinstance(ask.json, list | str):
        answer.status = 500


@answered(18)
def nothing_can_be_set(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("PUT") and not ask.body and ask.user_id:
        answer.status, answer.json = 200, {}


@answered(32)
def unknown_keys_break_it(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("PUT") and b"org.matrix_presence.check" in (ask.body or b""):
        answer.status = 500


@asked(33)
def messages_are_cut(ask: Ask, memory: Memory) -> None:
    said = ask.json
    if ask.is_status("PUT") and isinstance(said, dict):
        if isinstance(said.get("status_msg"), str) and len(said["status_msg"]) < 1000:
            ask.json = {**said, "status_msg": said["status_msg"][:100]}


@answered(34)
def long_messages_break_it(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("PUT") and len(ask.body or b"") > 60_000:
        answer.status = 500


# What is shown.


@answered(4, 31)
def the_user_is_in_the_status(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _shown(ask, answer) and ask.user_id in (None, ask.whose):
        _change_status(answer, user_id=ask.whose)


@answered(6, 12, 13, 19, 22, 33, 40, 94, 155)
def nobody_has_a_message(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _shown(ask, answer) and "status_msg" in answer.json:
        _change_status(answer, status_msg=None)


@answered(7, 83)
def everybody_is_active(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _shown(ask, answer):
        _change_status(answer, currently_active=True)


@answered(28, 31, 84)
def times_are_broken_numbers(ask: Ask, answer: Answer, memory: Memory) -> None:
    own = _shown(ask, answer) and ask.user_id == ask.whose
    if own and answer.json["presence"] == "online":
        _change_status(answer, last_active_ago=answer.json["last_active_ago"] + 0.5)


@answered(29, 73, 74, 75, 76)
def times_stand_still(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("PUT"):
        memory.clear()
    if _shown(ask, answer):
        ago = memory.setdefault(ask.whose, answer.json.get("last_active_ago"))
        _change_status(answer, last_active_ago=ago)


@answered(30)
def nobody_is_active(ask: Ask, answer: Answer, memory: Memory) -> None:
    own = _shown(ask, answer) and ask.user_id == ask.whose
    if own and answer.json.get("currently_active"):
        _change_status(answer, currently_active=False)


# How it speaks HTTP.


@answered(35)
def a_status_can_be_deleted(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("DELETE"):
        answer.status, answer.json = 200, {}


@answered(36)
def a_status_can_be_posted(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("POST"):
        answer.status, answer.json = 200, {}


@answered(37)
def unknown_paths_are_bad_requests(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.path.endswith("/nope"):
        answer.status = 400


@answered(38)
def options_need_a_token(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.method == "OPTIONS":
        answer.status = 401


@answered(39)
def refusals_are_for_nobody_else(ask: Ask, answer: Answer, memory: Memory) -> None:
    if answer.status == 401:
        answer.headers = {k: v for k, v in answer.headers.items() if k != CORS}


@answered(40)
def r0_keeps_to_itself(ask: Ask, answer: Answer, memory: Memory) -> None:
    if _shown(ask, answer) and ask.version == "r0":
        _change_status(answer, status_msg="of r0")


@answered(41)
def limits_do_not_say_how_long(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("PUT"):
        memory["puts"] = memory.get("puts", 0) + 1
        if memory["puts"] > 20:
            answer.status = 429
            answer.json = {"errcode": "M_LIMIT_EXCEEDED", "error": "slower"}


@answered(42)
def the_query_holds_no_token(ask: Ask, answer: Answer, memory: Memory) -> None:
    if "access_token" in ask.query:
        answer.status, answer.json = 401, {"errcode": "M_MISSING_TOKEN"}
