"""Presence lists on the embedded homeserver, as an old client uses them."""

from __future__ import annotations

from typing import Any

from tests.homeserver.test_app import HomeserverTestCase
from tests.web.connection import Response

ALICE, CAROL = "@alice:hs.test", "@carol:hs.test"


class OldClientTestCase(HomeserverTestCase):
    """Beside the two who share a room, Carol, who is in none."""

    def setUp(self) -> None:
        """Carol registers."""
        super().setUp()
        self.carol = self.register("carol")

    def old(
        self, method: str, path: str, token: str, body: Any = None, version: str = "r0"
    ) -> Response:
        """The response to a request of an old client."""
        path = f"/_matrix/client/{version}/{path}"
        if method == "GET":
            return self.connection.request(method, path, token=token)
        return self.connection.request(method, path, body, token=token)


class PresenceListTests(OldClientTestCase):
    """Alice on Carol's list."""

    def listed(self, version: str = "r0") -> list[dict[str, Any]]:
        """Carol's list."""
        path = f"presence/list/{CAROL}"
        entries: list[dict[str, Any]] = self.old(
            "GET", path, self.carol, version=version
        ).json
        return entries

    def test_from_the_invite_to_the_drop(self) -> None:
        """Invite, accept, look, drop: on r0 and api/v1, in the database, and over a
        restart (A-4, A-62…A-65, A-70, A-72)."""
        own = f"presence/list/{CAROL}"
        response = self.old("POST", own, self.carol, {"invite": [ALICE]})
        self.assertEqual((response.status, response.json), (200, {}))
        self.assertEqual(self.listed(), [])
        path = f"presence/list/{ALICE}"
        answer = self.old("POST", path, self.alice, {"accept": [CAROL]}, "api/v1")
        self.assertEqual(answer.status, 200)
        self.put("alice", self.alice, "online", status_msg="hello")
        self.stop()
        self.start()
        for version in ("r0", "api/v1", "unstable"):
            (entry,) = self.listed(version)
            self.assertEqual((entry["user_id"], entry["accepted"]), (ALICE, True))
        status = self.old("GET", f"presence/{ALICE}/status", self.carol)
        self.assertEqual(status.json["status_msg"], "hello")
        self.old("POST", own, self.carol, {"drop": [ALICE]})
        self.assertEqual(self.listed(), [])
        status = self.old("GET", f"presence/{ALICE}/status", self.carol)
        self.assertEqual(status.status, 403)

    def test_who_is_listed_is_in_the_old_streams(self) -> None:
        """The invite, then the presence of who has accepted, comes by /events, and the
        presence is in /initialSync, without a shared room (A-69, A-70)."""
        events = "events?timeout=0"
        alice, carol = (
            self.old("GET", events, token).json["end"]
            for token in (self.alice, self.carol)
        )
        self.old("POST", f"presence/list/{CAROL}", self.carol, {"invite": [ALICE]})
        self.reactor.advance(1)
        body = self.old("GET", f"{events}&from={alice}", self.alice).json
        (invite,) = [
            event for event in body["chunk"] if event["type"] == "m.presence_invite"
        ]
        self.assertEqual(invite["sender"], CAROL)
        self.assertEqual(
            invite["content"], {"observer_user": CAROL, "observed_user": ALICE}
        )
        # Those who use it on v3 know nothing of lists.
        body = self.old("GET", f"{events}&from={alice}", self.alice, version="v3").json
        self.assertNotIn("m.presence_invite", [one["type"] for one in body["chunk"]])
        self.old("POST", f"presence/list/{ALICE}", self.alice, {"accept": [CAROL]})
        self.reactor.advance(1)
        body = self.old("GET", f"{events}&from={carol}", self.carol).json
        self.assertIn(ALICE, [one["content"].get("user_id") for one in body["chunk"]])
        self.put("alice", self.alice, "online", status_msg="here")
        self.reactor.advance(1)
        body = self.old("GET", "initialSync", self.carol).json
        seen = {event["content"]["user_id"]: event for event in body["presence"]}
        self.assertEqual(set(seen), {ALICE, CAROL})
        self.assertEqual(seen[ALICE]["content"]["status_msg"], "here")
        body = self.old("GET", "initialSync", self.alice).json
        self.assertNotIn(CAROL, [event["sender"] for event in body["presence"]])

    def test_a_modern_client_knows_no_lists(self) -> None:
        """On v3 there are none (A-5)."""
        response = self.ask("GET", f"presence/list/{CAROL}", token=self.carol)
        self.assertEqual(response.status, 404)
        self.assertEqual(response.json["errcode"], "M_UNRECOGNIZED")


class EraTests(OldClientTestCase):
    """Old and modern syncs of the same server."""

    def test_each_sync_speaks_as_its_clients_do(self) -> None:
        """On r0 free for chat is raw and the user is in the content, on v3 neither
        (X-1, A-110)."""
        path = f"presence/{ALICE}/status"
        body = {"presence": "free_for_chat"}
        self.assertEqual(self.old("PUT", path, self.alice, body).status, 200)
        self.reactor.advance(1)
        old = self.seen(self.old("GET", "sync", self.bob).json)["alice"]
        self.assertEqual((old["presence"], old["user_id"]), ("free_for_chat", ALICE))
        new = self.seen(self.sync(self.bob))["alice"]
        self.assertEqual((new["presence"], new.get("user_id")), ("online", None))
