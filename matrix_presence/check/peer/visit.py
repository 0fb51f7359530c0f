"""The peer in the course of one check."""

from __future__ import annotations

import secrets

import attrs

from matrix_presence.check.bench import Bench
from matrix_presence.check.conversation import Conversation
from matrix_presence.check.peer.hearing import Hearing
from matrix_presence.check.peer.joining import Joining
from matrix_presence.check.peer.server import Peer
from matrix_presence.check.peer.visitor import peers_of, target_name
from matrix_presence.check.target import NoAnswer, Target
from matrix_presence.check.verdicts import Skipped

VERSION_PATH = "/_matrix/federation/v1/version"


@attrs.define
class Visit(Joining, Hearing):
    """What one check does as the peer."""

    @classmethod
    def begin(cls, bench: Bench, peer: Peer) -> Visit:
        """One that has not said anything yet."""
        target = Target(peer.agent, f"https://{target_name(bench)}", peer.clock)
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
        return self.begin(self.bench, await peers_of(self.bench).another())

    def another_user(self) -> str:
        """A further user of the peer."""
        return _user(self.peer)

    def with_another_user(self) -> Visit:
        """The same visit of a further user."""
        return attrs.evolve(self, user_id=self.another_user())


async def stranger(bench: Bench) -> Visit:
    """The peer, which shares no room with A.

    Raises:
        Skipped: the target cannot be reached by its name.
    """
    visit = Visit.begin(bench, await peers_of(bench).first())
    trouble = visit.peer.trouble
    name = visit.target_name
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


def _user(peer: Peer) -> str:
    return peer.user(f"check-{secrets.token_hex(4)}")
