"""Faults of what not every homeserver has."""

from __future__ import annotations

from tests.check.faulty import Answer, Ask, Memory
from tests.check.tables import CLIENTS

answered, asked = CLIENTS.answered, CLIENTS.asked


@answered(145)
def guests_may_read(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("GET") and "GUEST" in str(answer.json):
        answer.status, answer.json = 200, {"presence": "offline"}


@answered(149)
def busy_is_a_promise(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.is_status("PUT") and b"msc3026" in (ask.body or b""):
        answer.status, answer.json = 400, {"errcode": "M_BAD_JSON", "error": "busy"}


@answered(150)
def capabilities_are_words(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.path == "capabilities" and answer.status == 200:
        said = {"m.presence": {"send_enabled": "yes", "receive_enabled": "yes"}}
        answer.json = {"capabilities": said}


@asked(155)
def nobody_goes_for_good(ask: Ask, memory: Memory) -> None:
    if ask.path == "account/deactivate":
        ask.reply(200, {"id_server_unbind_result": "success"})
