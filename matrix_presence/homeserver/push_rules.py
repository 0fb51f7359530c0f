"""Push rules: the predefined ones, and how users change theirs.

Source: client-server API, "Push Notifications". Nothing is pushed here; clients read
the rules to decide what makes a noise. Rule sets are values: every function answers a
new one.
"""

from __future__ import annotations

from typing import Any

from matrix_presence.errors import InvalidParam, NotFound
from matrix_presence.ids import localpart_of

PUSH_RULES = "m.push_rules"
KINDS = ("override", "content", "room", "sender", "underride")

Rule = dict[str, Any]
RuleSet = dict[str, list[Rule]]
"""The rules of each kind, the most important first."""

_HIGHLIGHT = {"set_tweak": "highlight"}
_SOUND = {"set_tweak": "sound", "value": "default"}
_RING = {"set_tweak": "sound", "value": "ring"}


def default_rules(user_id: str) -> RuleSet:
    """The rules of a user who never changed any."""
    mentions = {
        "kind": "event_property_contains",
        "key": r"content.m\.mentions.user_ids",
        "value": user_id,
    }
    return {
        "override": [
            {**_rule(".m.rule.master", []), "enabled": False},
            _rule(
                ".m.rule.suppress_notices", [], _match("content.msgtype", "m.notice")
            ),
            _rule(
                ".m.rule.invite_for_me",
                ["notify", _SOUND],
                _match("type", "m.room.member"),
                _match("content.membership", "invite"),
                _match("state_key", user_id),
            ),
            _rule(".m.rule.member_event", [], _match("type", "m.room.member")),
            _rule(".m.rule.is_user_mention", ["notify", _SOUND, _HIGHLIGHT], mentions),
            _rule(
                ".m.rule.contains_display_name",
                ["notify", _SOUND, _HIGHLIGHT],
                {"kind": "contains_display_name"},
            ),
            _rule(
                ".m.rule.is_room_mention",
                ["notify", _HIGHLIGHT],
                _is(r"content.m\.mentions.room", True),
                _MAY_NOTIFY_ROOM,
            ),
            _rule(
                ".m.rule.roomnotif",
                ["notify", _HIGHLIGHT],
                _match("content.body", "@room"),
                _MAY_NOTIFY_ROOM,
            ),
            _rule(
                ".m.rule.tombstone",
                ["notify", _HIGHLIGHT],
                _match("type", "m.room.tombstone"),
                _match("state_key", ""),
            ),
            _rule(".m.rule.reaction", [], _match("type", "m.reaction")),
            _rule(
                ".m.rule.room.server_acl",
                [],
                _match("type", "m.room.server_acl"),
                _match("state_key", ""),
            ),
            _rule(
                ".m.rule.suppress_edits",
                [],
                _is(r"content.m\.relates_to.rel_type", "m.replace"),
            ),
        ],
        "content": [
            {
                **_rule(".m.rule.contains_user_name", ["notify", _SOUND, _HIGHLIGHT]),
                "pattern": localpart_of(user_id),
            }
        ],
        "room": [],
        "sender": [],
        "underride": [
            _rule(".m.rule.call", ["notify", _RING], _match("type", "m.call.invite")),
            _rule(
                ".m.rule.encrypted_room_one_to_one",
                ["notify", _SOUND],
                _ONE_TO_ONE,
                _match("type", "m.room.encrypted"),
            ),
            _rule(
                ".m.rule.room_one_to_one",
                ["notify", _SOUND],
                _ONE_TO_ONE,
                _match("type", "m.room.message"),
            ),
            _rule(".m.rule.message", ["notify"], _match("type", "m.room.message")),
            _rule(".m.rule.encrypted", ["notify"], _match("type", "m.room.encrypted")),
        ],
    }


def found(rules: RuleSet, kind: str, rule_id: str) -> Rule:
    """The rule of this kind and id.

    Raises:
        NotFound: there is none.
    """
    for rule in rules.get(kind, ()):
        if rule["rule_id"] == rule_id:
            return rule
    raise NotFound("There is no such push rule")


def with_rule(
    rules: RuleSet, kind: str, rule: Rule, before: str | None, after: str | None
) -> RuleSet:
    """The rules with this one, in place of the one of the same id.

    Args:
        before: the id of the rule that it is to go before; None: before all users'
            rules, and after those predefined ones that stay in front.
        after: the id of the rule that it is to follow.

    Raises:
        InvalidParam: it would change a predefined rule, or there is no such kind.
        NotFound: there is no rule with the id of `before` or `after`.
    """
    _refuse_predefined(kind, rule["rule_id"])
    others = [one for one in rules[kind] if one["rule_id"] != rule["rule_id"]]
    if before is not None:
        place = _place(others, before)
    elif after is not None:
        place = _place(others, after) + 1
    else:
        first = others[0]["rule_id"] if others else None
        place = 1 if first == ".m.rule.master" else 0
    return {**rules, kind: [*others[:place], rule, *others[place:]]}


def without_rule(rules: RuleSet, kind: str, rule_id: str) -> RuleSet:
    """The rules without the one of this id.

    Raises:
        InvalidParam: it is predefined.
        NotFound: there is none.
    """
    _refuse_predefined(kind, rule_id)
    rule = found(rules, kind, rule_id)
    return {**rules, kind: [one for one in rules[kind] if one is not rule]}


def with_changed(rules: RuleSet, kind: str, rule_id: str, **changed: Any) -> RuleSet:
    """The rules with these properties of one of them changed.

    Raises:
        NotFound: there is no such rule.
    """
    rule = found(rules, kind, rule_id)
    changed_rule = {**rule, **changed}
    return {
        **rules,
        kind: [changed_rule if one is rule else one for one in rules[kind]],
    }


def _rule(rule_id: str, actions: list[Any], *conditions: Rule) -> Rule:
    rule: Rule = {
        "rule_id": rule_id,
        "default": True,
        "enabled": True,
        "actions": actions,
    }
    return {**rule, "conditions": list(conditions)} if conditions else rule


def _match(key: str, pattern: str) -> Rule:
    return {"kind": "event_match", "key": key, "pattern": pattern}


def _is(key: str, value: Any) -> Rule:
    return {"kind": "event_property_is", "key": key, "value": value}


_ONE_TO_ONE = {"kind": "room_member_count", "is": "2"}
_MAY_NOTIFY_ROOM = {"kind": "sender_notification_permission", "key": "room"}


def _place(rules: list[Rule], rule_id: str) -> int:
    for place, rule in enumerate(rules):
        if rule["rule_id"] == rule_id:
            return place
    raise NotFound("There is no push rule to put it beside")


def _refuse_predefined(kind: str, rule_id: str) -> None:
    if kind not in KINDS:
        raise InvalidParam(f"Push rules are of the kinds {', '.join(KINDS)}")
    if rule_id.startswith("."):
        raise InvalidParam("Predefined rules can be switched off, not replaced")
