"""Polls that presence alone has ended: their answers, and that these miss nothing."""

from __future__ import annotations

import json
import random
from typing import Any, ClassVar
from unittest import mock
from urllib.parse import quote

from synapse.handlers.sync import SyncHandler, SyncResult
from synapse.types import StreamKeyType, StreamToken

from matrix_presence.synapse import presence_only
from tests.synapse.in_process import Answer, Asked, InProcessTestCase, Person

_QUICK = {"client_window": 0, "client_wakeups_per_second": 0}


class PollsTestCase(InProcessTestCase):
    """Alice and Bob share a room, and Bob's client waits."""

    module: ClassVar[dict[str, Any] | None] = _QUICK

    def setUp(self) -> None:
        """Bob has seen all there is."""
        super().setUp()
        self.alice, self.bob = self.person("alice"), self.person("bob")
        self.room_id = self.room(self.alice, self.bob)
        self.put(self.alice, "online")
        whole = SyncHandler.generate_sync_result
        self.wholes = 0

        async def counted(handler: SyncHandler, *args: Any, **kwargs: Any) -> Any:
            self.wholes += 1
            return await whole(handler, *args, **kwargs)

        self.patch(SyncHandler, "generate_sync_result", counted)
        self.since = self.caught_up(self.bob)

    def caught_up(self, person: Person) -> str:
        """The token of somebody for whom there is nothing new, and nothing to come."""
        # Whoever is not connected is offline by now.
        self.pass_time(40)
        _, since = self.sync(person, set_presence="offline")
        while True:
            asked = self.poll(person, since)
            self.pass_time(3)
            if not asked.is_answered:
                self.pass_time(30)
                return str(asked.answer().json["next_batch"])
            since = asked.answer().json["next_batch"]

    def poll(self, person: Person, since: str, **options: Any) -> Asked:
        """A long poll of half a minute."""
        path = self.sync_path(since, timeout=30, set_presence="offline", **options)
        return self.asking("GET", path, None, person)

    def told(self, asked: Asked) -> Answer:
        """What a poll is answered with, by what has happened."""
        self.pass_time(1)
        return asked.answer()

    def say(self, message: str) -> None:
        """Alice changes her status message."""
        self.put(self.alice, "online", status_msg=message)

    def message(self, answer: Answer) -> str | None:
        """The status message of Alice that an answer shows."""
        for event in answer.json.get("presence", {}).get("events", ()):
            if event["sender"] == self.alice.user_id:
                return str(event["content"].get("status_msg"))
        return None

    def token(self, text: str) -> StreamToken:
        """A token, read."""
        token = self.run_now(StreamToken.from_string(self.store, text))
        assert isinstance(token, StreamToken)
        return token


class BriefTests(PollsTestCase):
    """Where presence is all there is."""

    def test_answer_is_presence_and_no_whole_sync(self) -> None:
        """Its token is the client's own, with presence moved on. The next one waits."""
        poll = self.poll(self.bob, self.since)
        before = self.wholes
        self.say("first")
        answer = self.told(poll)
        self.assertEqual("first", self.message(answer))
        self.assertEqual(before, self.wholes)
        old, new = self.token(self.since), self.token(answer.json["next_batch"])
        self.assertGreater(new.presence_key, old.presence_key)
        moved = old.copy_and_replace(StreamKeyType.PRESENCE, new.presence_key)
        self.assertEqual(moved, new)
        poll = self.poll(self.bob, answer.json["next_batch"])
        self.pass_time(5)
        self.assertFalse(poll.is_answered)
        self.assertEqual(before, self.wholes)
        self.say("second")
        self.assertEqual("second", self.message(self.told(poll)))
        self.assertEqual(before, self.wholes)

    def test_answer_has_what_each_answer_has(self) -> None:
        """How many keys are left for the device, for no other answer would tell."""
        keys = {
            f"signed_curve25519:{number}": {"key": "AAAA", "signatures": {}}
            for number in range(3)
        }
        path = "v3/keys/upload"
        self.done("POST", path, {"one_time_keys": keys}, self.bob)
        whole = self.done("GET", self.sync_path(self.since), None, self.bob)
        poll = self.poll(self.bob, whole["next_batch"])
        self.say("first")
        answer = self.told(poll).json
        name = "device_one_time_keys_count"
        self.assertEqual(3, answer[name]["signed_curve25519"])
        self.assertEqual(whole[name], answer[name])
        name = "device_unused_fallback_key_types"
        self.assertEqual(whole[name], answer[name])

    def test_filters_count(self) -> None:
        """Who wants no presence of Alice's is not told, and goes on waiting."""
        nobody: dict[str, list[str]] = {"types": []}
        for part in (nobody, {"not_senders": [self.alice.user_id]}):
            chosen = json.dumps({"presence": part})
            poll = self.poll(self.bob, self.since, filter=chosen)
            self.say(f"unwanted {chosen}")
            self.pass_time(3)
            self.assertFalse(poll.is_answered)
            self.pass_time(30)
            self.assertIsNone(self.message(poll.answer()))

    def test_after_some_in_a_row_comes_a_whole_sync(self) -> None:
        """So that no token is left behind far."""
        self.patch(presence_only, "_IN_A_ROW", 3)
        since, before = self.since, self.wholes
        for number in range(8):
            poll = self.poll(self.bob, since)
            self.say(f"number {number}")
            answer = self.told(poll)
            self.assertEqual(f"number {number}", self.message(answer))
            since = answer.json["next_batch"]
        self.assertEqual(2, self.wholes - before)

    def test_each_device_is_told(self) -> None:
        """Whatever the other one has been told just before."""
        other = self.person("bob", "OTHER")
        devices = (self.bob, other)
        tokens = {device: self.caught_up(device) for device in devices}
        for number in range(3):
            polls = {device: self.poll(device, tokens[device]) for device in tokens}
            self.say(f"number {number}")
            for device, poll in polls.items():
                answer = self.told(poll)
                self.assertEqual(f"number {number}", self.message(answer))
                tokens[device] = answer.json["next_batch"]


class NothingIsMissedTests(PollsTestCase):
    """Presence and everything else, in any order and at the same time."""

    def setUp(self) -> None:
        """What Bob has to be told, and what he was."""
        super().setUp()
        self.sent: list[str] = []
        self.got: list[str] = []
        #: Answers that were presence alone.
        self.brief = 0
        self.shown: str | None = None
        self.room_path = f"v3/rooms/{quote(self.room_id, safe='')}"

    def message_is_sent(self, number: int) -> None:
        """To the room."""
        body = {"msgtype": "m.text", "body": f"message {number}"}
        self.sent.append(body["body"])
        path = f"{self.room_path}/send/m.room.message/{number}"
        self.asking("PUT", path, body, self.alice)

    def device_is_told(self, number: int) -> None:
        """Past all rooms."""
        content = {"body": f"to-device {number}"}
        self.sent.append(content["body"])
        body = {"messages": {self.bob.user_id: {"*": content}}}
        self.asking("PUT", f"v3/sendToDevice/org.test/{number}", body, self.alice)

    def account_changes(self, number: int) -> None:
        """Data of a type of its own each time, so that all of it is told."""
        content = {"body": f"account {number}"}
        self.sent.append(content["body"])
        user = quote(self.bob.user_id, safe="")
        path = f"v3/user/{user}/account_data/org.test{number}"
        self.asking("PUT", path, content, self.bob)

    def somebody_types(self, number: int) -> None:
        """What may be missed, but wakes."""
        user, typing = quote(self.alice.user_id, safe=""), number % 2 == 0
        body = {"typing": typing, "timeout": 1000}
        self.asking("PUT", f"{self.room_path}/typing/{user}", body, self.alice)

    def test_news_that_nobody_was_told_of_is_not_passed_over(self) -> None:
        """It is in the database already when presence ends the poll."""
        poll = self.poll(self.bob, self.since)
        with mock.patch.object(self.homeserver.get_notifier(), "on_new_event"):
            self.account_changes(1)
        self.presence_changes(1)
        self.pass_time(1)
        since = self.take(poll.answer(), self.since)
        self.assertEqual((1, []), (self.brief, self.got))
        self.take(self.ask("GET", self.sync_path(since), None, self.bob), since)
        self.assertEqual(self.sent, self.got)

    def presence_changes(self, number: int) -> None:
        """What is waited for."""
        self.say(f"status {number}")

    def take(self, answer: Answer, since: str) -> str:
        """Keep what an answer tells; the token to go on with."""
        content = answer.json
        joined = content.get("rooms", {}).get("join", {}).get(self.room_id, {})
        parts = (
            joined.get("timeline", {}),
            content.get("to_device", {}),
            content.get("account_data", {}),
        )
        for part in parts:
            bodies = [event["content"].get("body") for event in part.get("events", ())]
            self.got += filter(None, bodies)
        self.shown = self.message(answer) or self.shown
        next_batch = str(content["next_batch"])
        old, new = self.token(since), self.token(next_batch)
        moved = old.copy_and_replace(StreamKeyType.PRESENCE, new.presence_key)
        self.brief += self.message(answer) is not None and moved == new
        return next_batch

    def test_random_traffic_arrives_whole_and_once(self) -> None:
        """Messages, to-device messages, account data, and the last status."""
        choice = random.Random(7)
        kinds = (
            self.presence_changes,
            self.message_is_sent,
            self.device_is_told,
            self.account_changes,
            self.somebody_types,
        )
        since, poll = self.since, self.poll(self.bob, self.since)
        for number in range(60):
            for happens in choice.sample(kinds, k=choice.choice((1, 2))):
                happens(number)
            if choice.random() < 0.5:
                self.presence_changes(number)
            self.pass_time(choice.choice((0.0, 0.1, 2.0)))
            while poll.is_answered:
                since = self.take(poll.answer(), since)
                poll = self.poll(self.bob, since)
        self.pass_time(31)
        since = self.take(poll.answer(), since)
        self.take(self.ask("GET", self.sync_path(since), None, self.bob), since)
        self.assertEqual(sorted(self.sent), sorted(self.got))
        last = self.get(self.alice, self.bob)["status_msg"]
        self.assertEqual(last, self.shown)
        self.assertGreater(self.brief, 5)


class UnknownTests(PollsTestCase):
    """A Synapse whose syncs are made otherwise."""

    def setUp(self) -> None:
        """It has no empty answers."""
        patcher = mock.patch.object(SyncResult, "empty", None)
        patcher.start()
        self.addCleanup(patcher.stop)
        super().setUp()

    def test_polls_are_answered_with_whole_syncs(self) -> None:
        """As ever."""
        poll = self.poll(self.bob, self.since)
        before = self.wholes
        self.say("first")
        self.assertEqual("first", self.message(self.told(poll)))
        self.assertGreater(self.wholes, before)


class SwitchedOffTests(UnknownTests):
    """By the option."""

    module: ClassVar[dict[str, Any] | None] = {**_QUICK, "presence_only_answers": False}
