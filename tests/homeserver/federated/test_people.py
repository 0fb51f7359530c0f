"""What clients learn of users and rooms of other servers."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.homeserver.federated.rig import FederatedTestCase
from tests.web.connection import Response


class PeopleTests(FederatedTestCase):
    """Alice is here, Bob is there."""

    def setUp(self) -> None:
        """Two servers."""
        super().setUp()
        self.here = self.homeserver("a.test")
        self.there = self.homeserver("b.test")
        self.alice = self.here.register("alice")
        self.bob = self.there.register("bob")

    def profile(self, user_id: str, key: str = "") -> Response:
        """What Alice is answered who asks for a profile."""
        path = f"profile/{quote(user_id, safe='')}{key}"
        return self.here.ask(self.alice, "GET", path)

    def assertRefused(self, response: Response, status: int, errcode: str) -> None:
        """The response is this refusal."""
        self.assertEqual((status, errcode), (response.status, response.errcode))

    def test_profiles_come_from_the_server_of_the_user(self) -> None:
        """Whole, or one key of it."""
        self.assertEqual({"displayname": "Bob"}, self.profile(self.bob).json)
        answer = self.profile(self.bob, "/displayname")
        self.assertEqual({"displayname": "Bob"}, answer.json)
        self.assertEqual({}, self.profile(self.bob, "/avatar_url").json)

    def test_a_profile_is_remembered_for_a_moment(self) -> None:
        """Clients ask for the same one again and again."""
        for _ in range(3):
            self.profile(self.bob)
        asked = [path for _, path in self.internet.asked if b"profile" in path]
        self.assertEqual(1, len(asked))
        path = f"profile/{quote(self.bob, safe='')}/displayname"
        self.there.call(self.bob, "PUT", path, {"displayname": "Robert"})
        self.pass_time(60)
        self.assertEqual({"displayname": "Robert"}, self.profile(self.bob).json)

    def test_who_is_not_there_has_no_profile(self) -> None:
        """Nor has who cannot be, or whose server is gone."""
        self.assertRefused(self.profile("@x:b.test"), 404, "M_NOT_FOUND")
        self.assertRefused(self.profile("@x:no server"), 404, "M_NOT_FOUND")
        self.assertRefused(self.profile("@x:down.test"), 502, "M_UNKNOWN")

    def test_nobody_has_us_ask_without_saying_who_they_are(self) -> None:
        """We would knock at any door that anybody names."""
        self.here.tokens["@x:a.test"] = "wrong"
        for path in (
            f"profile/{quote(self.bob, safe='')}",
            "directory/room/%23tea%3Ab.test",
            "publicRooms?server=b.test",
        ):
            response = self.here.ask("@x:a.test", "GET", path)
            self.assertRefused(response, 401, "M_UNKNOWN_TOKEN")
        self.assertEqual([], self.internet.asked)

    def test_an_alias_is_resolved_where_it_is(self) -> None:
        """With the servers that know the room."""
        room_id = self.there.create(self.bob, room_alias_name="tea")
        path = "directory/room/%23tea%3Ab.test"
        answer = self.here.call(self.alice, "GET", path)
        self.assertEqual({"room_id": room_id, "servers": ["b.test"]}, answer)

    def test_our_own_aliases_name_who_is_there(self) -> None:
        """Ourselves first."""
        self.here.create(self.alice, room_alias_name="tea")
        self.there.call(self.bob, "POST", "join/%23tea%3Aa.test", {})
        path = "directory/room/%23tea%3Aa.test"
        answer = self.here.call(self.alice, "GET", path)
        self.assertEqual(["a.test", "b.test"], answer["servers"])

    def test_rooms_of_another_server_are_listed(self) -> None:
        """By GET and by POST, a part of them if that is wanted."""
        tea, milk = (
            self.there.create(self.bob, name=name, visibility="public")
            for name in ("Tea", "Milk")
        )
        listed = self.here.call(self.alice, "GET", "publicRooms", server="b.test")
        self.assertEqual({tea, milk}, _ids(listed))
        some = self.here.call(
            self.alice, "GET", "publicRooms", server="b.test", limit=1
        )
        self.assertEqual(1, len(_ids(some)))
        rest = self.here.call(
            self.alice,
            "GET",
            "publicRooms",
            server="b.test",
            since=some["next_batch"],
        )
        self.assertEqual({tea, milk}, _ids(some) | _ids(rest))
        found = self.here.call(
            self.alice,
            "POST",
            "publicRooms?server=b.test",
            {"filter": {"generic_search_term": "milk"}},
        )
        self.assertEqual({milk}, _ids(found))

    def test_only_servers_have_lists_of_rooms(self) -> None:
        """Ours is listed here."""
        for server, status, errcode in (
            ("no server", 404, "M_NOT_FOUND"),
            ("down.test", 502, "M_UNKNOWN"),
        ):
            response = self.here.ask(self.alice, "GET", "publicRooms", server=server)
            self.assertRefused(response, status, errcode)
        listed = self.here.call(self.alice, "GET", "publicRooms", server="a.test")
        self.assertEqual(set(), _ids(listed))

    def upload_keys(self) -> dict[str, Any]:
        """Keys of a device of Bob's."""
        keys = {
            "user_id": self.bob,
            "device_id": "BOB",
            "algorithms": [],
            "keys": {"ed25519:BOB": "x"},
            "signatures": {},
        }
        one_time = {"signed_curve25519:1": {"key": "y"}}
        body = {"device_keys": keys, "one_time_keys": one_time}
        self.there.call(self.bob, "POST", "keys/upload", body)
        return keys

    def test_keys_come_from_the_servers_of_their_users(self) -> None:
        """One that does not answer keeps nobody from the others."""
        keys = self.upload_keys()
        asked: dict[str, Any] = {self.bob: [], "@x:down.test": [], "@x:no server": []}
        body = {"device_keys": asked}
        answer = self.here.call(self.alice, "POST", "keys/query", body)
        self.assertEqual({self.bob}, set(answer["device_keys"]))
        found = answer["device_keys"][self.bob]["BOB"]
        self.assertEqual(keys, {key: found[key] for key in keys})
        self.assertEqual({"down.test"}, set(answer["failures"]))

    def test_one_time_keys_are_given_once(self) -> None:
        """Also over servers."""
        self.upload_keys()
        wanted = {self.bob: {"BOB": "signed_curve25519"}}
        body: dict[str, Any] = {"one_time_keys": {**wanted, "@x:down.test": {"D": "a"}}}
        answers = [
            self.here.call(self.alice, "POST", "keys/claim", body) for _ in range(2)
        ]
        given = [answer["one_time_keys"].get(self.bob) for answer in answers]
        key = {"BOB": {"signed_curve25519:1": {"key": "y"}}}
        self.assertEqual(key, given[0])
        self.assertFalse(given[1])
        self.assertEqual({"down.test"}, set(answers[0]["failures"]))


def _ids(listed: dict[str, Any]) -> set[str]:
    return {room["room_id"] for room in listed["chunk"]}
