"""`GET` and `POST` of a presence list over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.base import TestCase
from tests.web.rig import UNLIMITED, Reply, Rig

ALICE, BOB, CAROL = "@alice:hs", "@bob:hs", "@carol:hs"
NOBODY = "@nobody:hs"
VERSIONS = ("r0", "api/v1", "unstable")


def list_path(user_id: str | None, version: str = "r0") -> str:
    """The path of a presence list; None for the one without a user id."""
    path = f"/_matrix/client/{version}/presence/list"
    return path if user_id is None else f"{path}/{quote(user_id)}"


class ListsTestCase(TestCase):
    """Alice, Bob and Carol, who share no room."""

    def setUp(self) -> None:
        """Start the server."""
        self.begin()

    def begin(self, **options: Any) -> None:
        """A server with these options."""
        self.rig = Rig(**({"rc_presence": UNLIMITED} | options))
        names = ("alice", "bob", "carol")
        self.tokens = {f"@{name}:hs": self.rig.user(name) for name in names}

    def reply(self, method: str, user_id: str, path: str, **more: Any) -> Reply:
        """What this user is answered."""
        token = self.tokens[user_id]
        return self.successResultOf(self.rig.request(method, path, token=token, **more))

    def post(self, user_id: str, **changes: Any) -> Reply:
        """Change the user's own list."""
        return self.reply("POST", user_id, list_path(user_id), body=changes)

    def listed(self, user_id: str, version: str = "r0") -> dict[str, Any]:
        """By user: the entries of the user's own list."""
        entries = self.reply("GET", user_id, list_path(user_id, version)).json
        return {entry["user_id"]: entry for entry in entries}

    def pending(self, user_id: str, which: str) -> list[str]:
        """Who is pending."""
        path = list_path(user_id, "unstable")
        entries = self.reply("GET", user_id, path, query={"pending": which}).json
        return sorted(entry["user_id"] for entry in entries)


class PathTests(ListsTestCase):
    """Where it is, and who may use it."""

    def test_a_new_list_is_empty(self) -> None:
        """On every old path there is an empty list, which can be changed (A-4,
        A-61)."""
        for version in VERSIONS:
            path = list_path(ALICE, version)
            reply = self.reply("GET", ALICE, path)
            self.assertEqual((reply.status, reply.json), (200, []))
            for key in ("invite", "drop"):
                reply = self.reply("POST", ALICE, path, body={key: [ALICE]})
                self.assertEqual((reply.status, reply.json), (200, {}))

    def test_v3_has_none(self) -> None:
        """On v3 it is unknown, whatever the method (A-5)."""
        for method in ("GET", "POST"):
            reply = self.reply(method, ALICE, list_path(ALICE, "v3"))
            self.assertEqual(reply.refusal, (404, "M_UNRECOGNIZED"))

    def test_switched_off_it_is_unknown(self) -> None:
        """With `presence_lists: false` there is nothing on any path."""
        self.begin(presence_lists=False)
        for version in VERSIONS:
            reply = self.reply("GET", ALICE, list_path(ALICE, version))
            self.assertEqual(reply.refusal, (404, "M_UNRECOGNIZED"))

    def test_without_user_id_it_is_ones_own(self) -> None:
        """api/v1 has it without a user id, the others do not (A-6)."""
        path = list_path(None, "api/v1")
        reply = self.reply("POST", ALICE, path, body={"invite": [ALICE]})
        self.assertEqual(reply.status, 200)
        entries = self.reply("GET", ALICE, path).json
        self.assertEqual([entry["user_id"] for entry in entries], [ALICE])
        reply = self.reply("GET", ALICE, list_path(None, "r0"))
        self.assertEqual(reply.refusal, (404, "M_UNRECOGNIZED"))

    def test_a_list_is_its_owners(self) -> None:
        """The list of another user, here or elsewhere, is neither read nor changed
        (A-60)."""
        for method, more in (("GET", {}), ("POST", {"body": {"invite": [ALICE]}})):
            for other in (BOB, NOBODY, "@alice:elsewhere"):
                reply = self.reply(method, ALICE, list_path(other), **more)
                self.assertEqual(reply.refusal, (403, "M_FORBIDDEN"))
            reply = self.reply(method, ALICE, list_path("alice"), **more)
            self.assertEqual(reply.status, 400)
        self.assertEqual(self.pending(BOB, "out"), [])

    def test_guests_have_none(self) -> None:
        """A guest is refused (A-13)."""
        self.tokens["@g:hs"] = self.rig.user("g", is_guest=True)
        reply = self.reply("GET", "@g:hs", list_path("@g:hs"))
        self.assertEqual(reply.refusal, (403, "M_GUEST_ACCESS_FORBIDDEN"))


class RequestTests(ListsTestCase):
    """What a request may hold."""

    def test_nothing_is_fine(self) -> None:
        """Neither key, empty texts and unknown keys change nothing (A-66)."""
        bodies: tuple[dict[str, Any], ...] = (
            {},
            {"invite": [""]},
            {"drop": []},
            {"other": 7},
        )
        for body in bodies:
            reply = self.post(ALICE, **body)
            self.assertEqual((reply.status, reply.json), (200, {}))
        self.assertEqual(self.pending(ALICE, "all"), [])

    def test_a_bad_item_stops_all_of_it(self) -> None:
        """What is no user id is refused before anything is changed (A-66)."""
        for bad in (7, None, "bob", "@bob", [BOB], "@\0:hs"):
            for body in (
                {"invite": [BOB, bad]},
                {"invite": [BOB], "drop": [bad]},
                {"invite": [BOB], "accept": [bad]},
            ):
                self.assertEqual(self.post(ALICE, **body).refusal, (400, "M_BAD_JSON"))
        self.assertEqual(self.post(ALICE, invite=BOB).refusal, (400, "M_BAD_JSON"))
        self.assertEqual(self.pending(ALICE, "out"), [])

    def test_it_is_answered_when_it_is_on_disk(self) -> None:
        """Not before, and with 500 if it cannot be (A-72)."""
        store, path = self.rig.presence.store, list_path(ALICE)
        store.hold()
        request = self.rig.request(
            "POST", path, token=self.tokens[ALICE], body={"invite": [BOB]}
        )
        self.assertNoResult(request)
        self.assertEqual(store.lists, {})
        store.release()
        self.rig.advance(0)
        self.assertEqual(self.successResultOf(request).status, 200)
        self.assertEqual(list(store.lists), [(ALICE, BOB)])
        store.fail_next(OSError("no space"))
        self.assertEqual(self.post(ALICE, invite=[CAROL]).status, 500)
        self.logged_errors()

    def test_a_full_list_takes_no_more(self) -> None:
        """What would exceed the limit is refused as a whole; what shortens the list is
        not (A-67)."""
        self.begin(presence_list_max_entries=2)
        self.assertEqual(self.post(ALICE, invite=[BOB, CAROL]).status, 200)
        reply = self.post(ALICE, invite=[NOBODY])
        self.assertEqual(reply.refusal, (400, "M_RESOURCE_LIMIT_EXCEEDED"))
        self.assertEqual(self.pending(ALICE, "out"), [BOB, CAROL])
        self.assertEqual(self.post(ALICE, invite=[NOBODY], drop=[BOB]).status, 200)
        self.assertEqual(self.pending(ALICE, "out"), [CAROL, NOBODY])

    def test_pending_takes_three_values(self) -> None:
        """Anything else is refused, and other paths do not know it (A-69)."""
        path = list_path(ALICE, "unstable")
        reply = self.reply("GET", ALICE, path, query={"pending": "x"})
        self.assertEqual(reply.refusal, (400, "M_INVALID_PARAM"))
        self.post(ALICE, invite=[BOB])
        reply = self.reply("GET", ALICE, list_path(ALICE), query={"pending": "out"})
        self.assertEqual(reply.json, [])


class FlowTests(ListsTestCase):
    """From the invite to the end."""

    def test_an_accepted_entry_has_both_forms(self) -> None:
        """It is an old event and a flat entry in one (A-63)."""
        self.rig.put(self.tokens[BOB], BOB, {"presence": "free_for_chat"}, "r0")
        self.rig.advance(1)
        self.post(ALICE, invite=[BOB])
        self.assertEqual(self.listed(ALICE), {})
        self.post(BOB, accept=[ALICE])
        entry = self.listed(ALICE)[BOB]
        content = entry.pop("content")
        self.assertEqual(content.pop("user_id"), BOB)
        self.assertEqual(entry.pop("type"), "m.presence")
        self.assertEqual(entry.pop("sender"), BOB)
        self.assertIs(entry.pop("accepted"), True)
        self.assertEqual(entry.pop("user_id"), BOB)
        self.assertEqual(entry, content)
        self.assertEqual(content["presence"], "free_for_chat")
        self.assertEqual(content["last_active_ago"], 1000)

    def test_who_exists_cannot_be_told(self) -> None:
        """An invite to nobody, to somebody and to somebody who ignores the observer
        look the same (A-67)."""
        self.rig.handler.ignores(CAROL, [ALICE])
        for other in (NOBODY, BOB, CAROL):
            reply = self.post(ALICE, invite=[other])
            self.assertEqual((reply.status, reply.json), (200, {}))
        self.assertEqual(self.listed(ALICE), {})
        self.assertEqual(self.pending(ALICE, "out"), [BOB, CAROL, NOBODY])
        status = self.rig.get(self.tokens[ALICE], NOBODY)
        hidden = self.rig.get(self.tokens[ALICE], BOB)
        self.assertEqual(
            self.successResultOf(status).body, self.successResultOf(hidden).body
        )

    def test_pending_is_seen_from_both_sides(self) -> None:
        """The observer has it among `out`, the observed among `in` (A-69)."""
        self.post(ALICE, invite=[BOB])
        self.assertEqual(self.pending(ALICE, "out"), [BOB])
        self.assertEqual(self.pending(ALICE, "in"), [])
        self.assertEqual(self.pending(BOB, "in"), [ALICE])
        self.assertEqual(self.pending(BOB, "all"), [ALICE])

    def test_who_was_accepted_can_be_seen(self) -> None:
        """By policy or by hand, on unstable: one cannot take back what one does not
        know of (A-69)."""
        self.begin(presence_list_policy="always")
        self.post(ALICE, invite=[BOB])
        path = list_path(BOB, "unstable")
        query = {"observers": "true"}
        (entry,) = self.reply("GET", BOB, path, query=query).json
        self.assertEqual(
            entry,
            {
                "observer_user": ALICE,
                "observed_user": BOB,
                "user_id": ALICE,
                "accepted": True,
            },
        )
        self.post(BOB, deny=[entry["user_id"]])
        self.assertEqual(self.reply("GET", BOB, path, query=query).json, [])
        self.assertEqual(self.listed(ALICE), {})
        # On paths that r0.1.0 has, it is the list.
        self.assertEqual(self.reply("GET", BOB, list_path(BOB), query=query).json, [])

    def test_ignored_observers_are_not_shown(self) -> None:
        """An invite by somebody who is ignored waits where nobody sees it (A-69)."""
        self.rig.handler.ignores(BOB, [ALICE])
        self.post(ALICE, invite=[BOB])
        self.assertEqual(self.pending(BOB, "in"), [])

    def test_the_invite_is_an_event(self) -> None:
        """The next sync of an old client of the invited user has it; that of a modern
        one has not, as it would not know what it is (A-69, X-3)."""
        self.post(ALICE, invite=[BOB])
        self.rig.advance(1)
        for version in (*VERSIONS, "v3"):
            reply = self.successResultOf(
                self.rig.sync(self.tokens[BOB], version=version)
            )
            invites = [
                event
                for event in reply.json.get("presence", {}).get("events", ())
                if event["type"] == "m.presence_invite"
            ]
            content = {"observer_user": ALICE, "observed_user": BOB}
            event = {"type": "m.presence_invite", "sender": ALICE, "content": content}
            self.assertEqual(invites, [] if version == "v3" else [event])

    def test_filters_hold_for_invites(self) -> None:
        """Types and senders of a filter decide on them as on all else (A-69)."""
        self.post(ALICE, invite=[BOB])
        self.rig.advance(1)
        for presence, is_there in (
            ({"types": ["m.presence_invite"]}, True),
            ({"types": ["m.presence"]}, False),
            ({"not_types": ["m.presence*"]}, False),
            ({"not_types": ["m.presence"]}, True),
            ({"not_senders": [ALICE]}, False),
            ({"senders": [ALICE]}, True),
        ):
            sync = self.rig.sync(
                self.tokens[BOB], version="r0", filter={"presence": presence}
            )
            events = self.successResultOf(sync).json["presence"]["events"]
            types = [event["type"] for event in events]
            self.assertEqual("m.presence_invite" in types, is_there, presence)
