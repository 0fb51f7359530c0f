"""Reading and changing push rules."""

from __future__ import annotations

from typing import Any

import attrs

from matrix_presence.errors import BadJson, InvalidParam, NotFound
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.arguments import (
    checked_id,
    flag,
    listing,
    optional_text,
    text,
)
from matrix_presence.homeserver.api.paths import serve_everywhere
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.push_rules import (
    KINDS,
    PUSH_RULES,
    RuleSet,
    found,
    with_changed,
    with_rule,
    without_rule,
)
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router

#: Of one kind; a client that reads them all reads them often.
_MOST = 1000


@attrs.frozen
class PushRuleEndpoints:
    """`/pushrules/…`, and `/pushers`, of which there are none."""

    accounts: Accounts
    authentication: Authentication

    async def all(self, call: Call) -> Answer:
        """All rules of all scopes; there is one scope."""
        return 200, {"global": self._rules(call)[1]}

    async def all_global(self, call: Call) -> Answer:
        """All rules of the global scope."""
        return 200, self._rules(call)[1]

    async def of_kind(self, call: Call) -> Answer:
        """All rules of one kind."""
        _, rules = self._rules(call)
        return 200, rules[_kind(call)]

    async def one(self, call: Call) -> Answer:
        """One rule."""
        _, rules = self._rules(call)
        return 200, found(rules, _kind(call), call.params["rule_id"])

    async def put(self, call: Call) -> Answer:
        """A new rule of the user's own, or another in its place."""
        user_id, rules = self._rules(call)
        kind = _kind(call)
        rule = _rule(kind, checked_id(call.params["rule_id"], "rule_id"), call.json())
        before, after = call.query("before"), call.query("after")
        if len(rules[kind]) >= _MOST:
            raise InvalidParam(f"You have {_MOST} rules of this kind")
        await self._store(user_id, with_rule(rules, kind, rule, before, after))
        return 200, {}

    async def delete(self, call: Call) -> Answer:
        """One rule of the user's own less."""
        user_id, rules = self._rules(call)
        left = without_rule(rules, _kind(call), call.params["rule_id"])
        await self._store(user_id, left)
        return 200, {}

    async def get_enabled(self, call: Call) -> Answer:
        """Whether a rule is switched on."""
        return 200, {"enabled": self._one(call)["enabled"]}

    async def put_enabled(self, call: Call) -> Answer:
        """Switch a rule on or off, predefined ones too."""
        body = call.json()
        if "enabled" not in body:
            raise BadJson("'enabled' must be true or false")
        return await self._change(call, enabled=flag(body, "enabled", True))

    async def get_actions(self, call: Call) -> Answer:
        """What a rule does."""
        return 200, {"actions": self._one(call)["actions"]}

    async def put_actions(self, call: Call) -> Answer:
        """Let a rule do something else, predefined ones too."""
        return await self._change(call, actions=_actions(call.json()))

    async def pushers(self, call: Call) -> Answer:
        """No pushers: nothing is pushed from here."""
        self.authentication.member(call.request)
        return 200, {"pushers": []}

    def _rules(self, call: Call) -> tuple[str, RuleSet]:
        user_id = self.authentication.member(call.request).user_id
        return user_id, self.accounts.push_rules(user_id)

    def _one(self, call: Call) -> dict[str, Any]:
        _, rules = self._rules(call)
        return found(rules, _kind(call), call.params["rule_id"])

    async def _change(self, call: Call, **changed: Any) -> Answer:
        user_id, rules = self._rules(call)
        kind, rule_id = _kind(call), call.params["rule_id"]
        await self._store(user_id, with_changed(rules, kind, rule_id, **changed))
        return 200, {}

    async def _store(self, user_id: str, rules: RuleSet) -> None:
        await self.accounts.data.put(user_id, PUSH_RULES, {"global": rules})


def _kind(call: Call) -> str:
    kind = call.params["kind"]
    if kind not in KINDS:
        raise NotFound(f"Push rules are of the kinds {', '.join(KINDS)}")
    return kind


def _rule(kind: str, rule_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """The rule that a client describes."""
    rule = {
        "rule_id": rule_id,
        "default": False,
        "enabled": True,
        "actions": _actions(body),
    }
    if kind == "content":
        rule["pattern"] = text(body, "pattern")
    elif kind in ("override", "underride"):
        conditions = listing(body, "conditions", [])
        for condition in conditions:
            if not isinstance(condition, dict):
                raise BadJson("Each condition must be an object")
            optional_text(condition, "kind")
        rule["conditions"] = conditions
    return rule


def _actions(body: dict[str, Any]) -> list[Any]:
    actions = listing(body, "actions")
    for action in actions:
        if not (isinstance(action, str) or _is_tweak(action)):
            raise BadJson("Each action must be a text or set a tweak")
    return actions


def _is_tweak(action: Any) -> bool:
    return isinstance(action, dict) and isinstance(action.get("set_tweak"), str)


def add_routes(
    router: Router, accounts: Accounts, authentication: Authentication
) -> None:
    """Serve push rules."""
    endpoints = PushRuleEndpoints(accounts, authentication)
    one = "pushrules/global/{kind}/{rule_id}"
    # js-sdk asks with the slash, the specification has it with and without.
    for slash in ("", "/"):
        serve_everywhere(router, "GET", f"pushrules{slash}", endpoints.all)
        serve_everywhere(
            router, "GET", f"pushrules/global{slash}", endpoints.all_global
        )
        serve_everywhere(
            router, "GET", f"pushrules/global/{{kind}}{slash}", endpoints.of_kind
        )
    serve_everywhere(router, "GET", one, endpoints.one)
    serve_everywhere(router, "PUT", one, endpoints.put)
    serve_everywhere(router, "DELETE", one, endpoints.delete)
    serve_everywhere(router, "GET", f"{one}/enabled", endpoints.get_enabled)
    serve_everywhere(router, "PUT", f"{one}/enabled", endpoints.put_enabled)
    serve_everywhere(router, "GET", f"{one}/actions", endpoints.get_actions)
    serve_everywhere(router, "PUT", f"{one}/actions", endpoints.put_actions)
    serve_everywhere(router, "GET", "pushers", endpoints.pushers)
