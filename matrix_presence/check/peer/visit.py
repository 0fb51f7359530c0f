"""The peer in the course of one check: what it says to the target, what it hears."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import attrs
from signedjson.types import SigningKey

from matrix_presence.check.bench import SOON, Bench
from matrix_presence.check.conversation import Conversation
from matrix_presence.check.exchange import Reply
from matrix_presence.check.peer.ear import Heard
from matrix_presence.check.peer.rooms import (
    Unjoinable,
    filled_in,
    make_path,
    send_path,
)
from matrix_presence.check.peer.server import Peer, push
from matrix_presence.check.person import Person
from matrix_presence.check.target import NoAnswer, Target
from matrix_presence.check.verdicts import Failed, NotOffered, Skipped
from matrix_presence.wire.canonical import canonical
from matrix_presence.wire.x_matrix import sign_request

#: Seconds within which another server has to be told.
TOLD = 30.0
#: Seconds for which nothing has to come, where something else has come already.
QUIET = 1.5

VERSION_PATH = "/_matrix/federation/v1/version"


@attrs.define
class Visit:
    """What one check does as the peer."""

    bench: Bench
    peer: Peer
    #: A user of the peer whom no other check knows.
    user_id: str
    _target: Conversation
    #: How much had been heard when the check began.
    _before: int

    @classmethod
    def begin(cls, bench: Bench, peer: Peer) -> Visit:
        """One that has not said anything yet."""
        target = Target(peer.agent, f"https://{_name(bench)}", peer.clock)
        ours = bench.conversation
        return cls(
            bench,
            peer,
            _user(peer),
            # One story: what clients have said and what the peer has.
            Conversation(target, ours.secrets, ours.replies),
            len(peer.ear.heard),
        )

    async def another(self) -> Visit:
        """The same check as a further peer.

        Raises:
            Skipped: there is only one.
        """
        return self.begin(self.bench, await self.bench.lab.peer.another())

    def another_user(self) -> str:
        """A further user of the peer."""
        return _user(self.peer)

    def with_another_user(self) -> Visit:
        """The same visit of a further user."""
        return attrs.evolve(self, user_id=self.another_user())

    @property
    def target_name(self) -> str:
        """By which name the target federates."""
        return _name(self.bench)

    # What it tells.

    async def ask(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        key: SigningKey | None = None,
        destination: str | None = None,
        signed: bool = True,
    ) -> Reply:
        """What the target answers to a request in the name of the peer.

        Args:
            path: from `/_matrix/` on.
            key: that it is signed with, instead of the one that the peer publishes.
            destination: for whom it is signed, instead of the target.

        Raises:
            Skipped: the target never came for the keys of the peer.
        """
        body = None if content is None else canonical(content)
        headers = {}
        own = self.peer.own
        if signed:
            said = sign_request(
                method,
                path,
                own.server_name,
                destination or self.target_name,
                key or own.key,
                body,
            )
            headers["Authorization"] = said.header().decode()
        reply = await self._target.ask(
            method, path, raw=body, headers=headers, asker=own.server_name
        )
        honest = signed and key is None and destination is None
        if honest and reply.status == 401 and not self.peer.gave_keys:
            raise Skipped(
                f"the target does not come to {own.server_name} for its keys: see "
                "--peer-name"
            )
        return reply

    async def send(
        self,
        *edus: Mapping[str, Any],
        pdus: Sequence[Any] = (),
        txn_id: str | None = None,
        **signed_with: Any,
    ) -> Reply:
        """What the target answers to a transaction with these EDUs.

        Args:
            txn_id: a new one unless given.
            signed_with: see `ask`.
        """
        own = self.peer.own
        content = {
            "origin": own.server_name,
            "origin_server_ts": own.now(),
            "pdus": list(pdus),
            "edus": list(edus),
        }
        path = f"/_matrix/federation/v1/send/{txn_id or secrets.token_hex(8)}"
        return await self.ask("PUT", path, content, **signed_with)

    async def sent(self, *edus: Mapping[str, Any]) -> None:
        """Send these EDUs, which the target has to take.

        Raises:
            Failed: it does not.
        """
        self.bench.expect(await self.send(*edus), 200)

    async def push(self, presence: str = "online", **keys: Any) -> None:
        """Push a state of the user of the visit, which the target has to take."""
        await self.sent(push(self.entry(presence=presence, **keys)))

    def entry(self, **keys: Any) -> dict[str, Any]:
        """What a push says of the user of the visit: online just now, unless said."""
        said = {"presence": "online", "last_active_ago": 0}
        return {"user_id": self.user_id, **said, **keys}

    async def shows(
        self,
        seen: Callable[[dict[str, Any]], object],
        sentence: str = "what was pushed is not shown",
        within: float = SOON,
    ) -> dict[str, Any]:
        """The status of the user of the visit, as A gets it, once it is as expected.

        Raises:
            Failed: with this sentence, when it is not so within as many seconds.
        """

        async def look() -> dict[str, Any]:
            reply = await self.bench.a.ask_status(self.user_id)
            is_status = reply.status == 200 and isinstance(reply.json, dict)
            return reply.json if is_status else {}

        return await self.bench.eventually(
            look, lambda said: said and seen(said), sentence, within
        )

    # Its users in rooms of the target.

    async def join(self, room_id: str, user_id: str | None = None) -> None:
        """Make a user of the peer a member of a room of the target (C-80, C-81).

        They leave it again when the check has ended.

        Raises:
            Failed: the target does not let them in.
        """
        user_id = user_id or self.user_id
        try:
            await self._change("join", room_id, user_id)
        except Unjoinable as reason:
            raise Failed(f"its room cannot be joined: the target {reason}") from None
        self.bench.afterwards(lambda: self._change("leave", room_id, user_id))

    async def brings_in(self, person: Person) -> str:
        """The id of a new room of the peer that a user of the target has joined.

        They leave it again when the check has ended.
        """
        room_id = self.peer.residence.create(self.user_id)
        path = f"join/{quote(room_id, '')}"
        via = {"server_name": self.peer.name, "via": self.peer.name}
        reply = await person.ask("POST", path, {}, query=via)
        if reply.status != 200:
            # Perhaps there is no joining at all, neither way.
            self._refuse_without_rooms(await self._template("join", room_id))
            raise Failed(f"a room of another server cannot be joined: {reply.status}")
        self.bench.afterwards(lambda: self.bench.leave(room_id, person))
        return room_id

    async def leave(self, room_id: str) -> None:
        """Take the user of the visit out of a room of the target.

        Raises:
            Failed: the target does not let them go.
        """
        try:
            await self._change("leave", room_id, self.user_id)
        except Unjoinable as reason:
            raise Failed(f"its room cannot be left: the target {reason}") from None

    async def _change(self, step: str, room_id: str, user_id: str) -> None:
        template = await self._template(step, room_id, user_id)
        self._refuse_without_rooms(template)
        if template.status != 200 or not isinstance(template.json, dict):
            raise Unjoinable(f"answers make_{step} with {template.status}")
        made = filled_in(template.json, user_id, room_id, step, self.peer.own)
        path = send_path(step, room_id, made.event_id)
        reply = await self.ask("PUT", path, made.pdu)
        if reply.status != 200:
            raise Unjoinable(f"answers send_{step} with {reply.status}")

    async def _template(
        self, step: str, room_id: str, user_id: str | None = None
    ) -> Reply:
        return await self.ask("GET", make_path(step, room_id, user_id or self.user_id))

    @staticmethod
    def _refuse_without_rooms(template: Reply) -> None:
        """Let a check be, where there is no endpoint to ask for a template.

        Raises:
            NotOffered: there is none.
        """
        if template.status == 404 and template.errcode == "M_UNRECOGNIZED":
            raise NotOffered("rooms do not reach across servers: make_join is unknown")

    # What it hears.

    def mark(self) -> int:
        """A number after which only counts what is heard from now on."""
        return len(self.peer.ear.heard)

    def heard(self, after: int | None = None) -> list[Heard]:
        """The EDUs of the target since the check began, or since that mark."""
        later = self.peer.ear.heard[self._before if after is None else after :]
        return [each for each in later if each.origin == self.target_name]

    def entries(
        self, of: Person | str, after: int | None = None
    ) -> list[dict[str, Any]]:
        """All that was pushed of a user; see `heard`."""
        user_id = of if isinstance(of, str) else of.user_id
        return [
            said
            for each in self.heard(after)
            for said in each.entries()
            if said.get("user_id") == user_id
        ]

    async def hears(
        self,
        of: Person,
        seen: Callable[[dict[str, Any]], object],
        sentence: str,
        after: int | None = None,
        within: float = TOLD,
    ) -> dict[str, Any]:
        """What is pushed of a user, once it is as it should be.

        Raises:
            Failed: with this sentence, when it is not told within as many seconds.
        """

        def found() -> list[dict[str, Any]]:
            return [said for said in self.entries(of, after) if seen(said)]

        entries: list[dict[str, Any]] = await self.peer.ear.until(found, within)
        if not entries:
            raise Failed(sentence)
        return entries[-1]

    async def hears_edu(
        self,
        edu_type: str,
        seen: Callable[[dict[str, Any]], object],
        sentence: str,
        after: int | None = None,
        within: float = TOLD,
    ) -> dict[str, Any]:
        """The content of an EDU of that type, once it is as it should be; see `hears`.

        What is no object is never as it should be.
        """

        def found() -> list[dict[str, Any]]:
            return [said for said in self.contents(edu_type, after) if seen(said)]

        contents: list[dict[str, Any]] = await self.peer.ear.until(found, within)
        if not contents:
            raise Failed(sentence)
        return contents[-1]

    def contents(self, edu_type: str, after: int | None = None) -> list[dict[str, Any]]:
        """The contents of all EDUs of that type; see `heard`."""
        edus = [each.edu for each in self.heard(after) if isinstance(each.edu, dict)]
        found = [edu.get("content") for edu in edus if edu.get("edu_type") == edu_type]
        return [content for content in found if isinstance(content, dict)]


def says(status_msg: str) -> Callable[[dict[str, Any]], bool]:
    """Whether an entry, or a status, has this message."""
    return lambda said: said.get("status_msg") == status_msg


def is_in(presence: str) -> Callable[[dict[str, Any]], bool]:
    """Whether an entry, or a status, has this state."""
    return lambda said: said.get("presence") == presence


async def stranger(bench: Bench) -> Visit:
    """The peer, which shares no room with A.

    Raises:
        Skipped: the target cannot be reached by its name.
    """
    visit = Visit.begin(bench, await bench.lab.peer.first())
    trouble = visit.peer.trouble
    name = _name(bench)
    if name not in trouble:
        try:
            await visit.ask("GET", VERSION_PATH, signed=False)
            trouble[name] = ""
        except NoAnswer as reason:
            trouble[name] = f"as the server {name}, the target {reason}"
    if trouble[name]:
        raise Skipped(trouble[name])
    return visit


async def guest(bench: Bench) -> Visit:
    """The peer, with its user in a new room of A's.

    Raises:
        Skipped: the target cannot be reached by its name.
        Failed: the user cannot join.
    """
    visit = await stranger(bench)
    await visit.join(await bench.room(bench.a))
    return visit


def _name(bench: Bench) -> str:
    """By which name the target federates."""
    return bench.lab.peer.target_name or bench.server_name


def _user(peer: Peer) -> str:
    return peer.user(f"check-{secrets.token_hex(4)}")
