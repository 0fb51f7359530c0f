"""Who visits the target in the course of one check: the peer, and a user of it."""

from __future__ import annotations

import attrs

from matrix_presence.check.bench import Bench
from matrix_presence.check.conversation import Conversation
from matrix_presence.check.peer.peers import Peers
from matrix_presence.check.peer.server import Peer


@attrs.define
class Visitor:
    """What telling, joining and hearing start from."""

    bench: Bench
    peer: Peer
    #: A user of the peer whom no other check knows.
    user_id: str
    _target: Conversation
    #: How much had been heard when the check began.
    _before: int

    @property
    def target_name(self) -> str:
        """By which name the target federates."""
        return target_name(self.bench)


def peers_of(bench: Bench) -> Peers:
    """The servers of ours, for a check that has said to need one."""
    peers = bench.lab.peers
    assert peers is not None, "the check has said that it needs one"
    return peers


def target_name(bench: Bench) -> str:
    """By which name the target federates."""
    return peers_of(bench).target_name or bench.server_name
