"""What a run needs, from what was said on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutputAndValue
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent

from matrix_presence.check.accounts import AccountSource, Given, Registered
from matrix_presence.check.appservice import AppService, make_appservice
from matrix_presence.check.cast import MEMBERS
from matrix_presence.check.lab import Lab
from matrix_presence.check.peer.peers import Peers, make_peers
from matrix_presence.check.registry import Need
from matrix_presence.check.target import Target, found_target
from matrix_presence.check.timers import Timers
from matrix_presence.check.verdicts import CannotRun
from matrix_presence.federation.agent import WebPolicy
from matrix_presence.federation.tls import unverified_tls, verified_tls

#: Seconds to connect.
_CONNECT = 10
#: Seconds that a connection is kept for the next request: shorter than servers keep
#: theirs, so that none is closed under a request that cannot be repeated.
_KEPT = 3
#: Seconds that a restart may take.
_RESTART = 60


def make_agent(reactor: Any, asked: argparse.Namespace) -> IAgent:
    """What connects to the target.

    Raises:
        CannotRun: the certificates cannot be read.
    """
    try:
        ca = None if asked.ca is None else Path(asked.ca)
        tls = unverified_tls() if asked.insecure else verified_tls(ca)
    except OSError as error:
        raise CannotRun(f"cannot read {asked.ca!r}: {error.strerror}") from None
    except ValueError as error:
        raise CannotRun(str(error)) from None
    pool = HTTPConnectionPool(reactor)
    pool.cachedConnectionTimeout = _KEPT
    pool.maxPersistentPerHost = 2 * asked.side_by_side
    agent: IAgent = Agent(reactor, WebPolicy(tls), connectTimeout=_CONNECT, pool=pool)
    return agent


@attrs.define
class Preparation:
    """A lab, and what has to be put away after it."""

    lab: Lab
    #: How many checks can go on at once.
    at_once: int
    _stops: list[Callable[[], Awaitable[None]]] = attrs.field(factory=list)

    @classmethod
    async def make(
        cls, reactor: Any, target: Target, asked: argparse.Namespace
    ) -> Preparation:
        """Prepare all that was asked for.

        Raises:
            CannotRun: some of it cannot be had; with one sentence.
        """
        source = _source(asked)
        has = set() if asked.token else {Need.NEW_ACCOUNT}
        lab = Lab(target, _timers(asked), source, has, secrets=set(asked.token))
        limit, at_once = source.limit, asked.side_by_side
        self = cls(lab, at_once if limit is None else min(at_once, limit // MEMBERS))
        if asked.restart:
            lab.restart = partial(_restart, reactor, target, asked.restart)
            has.add(Need.RESTART)
        try:
            if asked.as_token:
                lab.appservice = await self._appservice(reactor, asked)
                has.add(Need.APPSERVICE)
            if asked.federation:
                lab.peers = await self._peers(reactor, asked)
                has.add(Need.PEER)
        except BaseException:
            await self.put_away()
            raise
        return self

    async def put_away(self) -> None:
        """Listen no more."""
        while self._stops:
            await self._stops.pop()()

    async def _appservice(self, reactor: Any, asked: argparse.Namespace) -> AppService:
        self.lab.secrets.add(asked.as_token)
        made = await make_appservice(
            reactor, asked.as_token, asked.as_user, asked.as_listen
        )
        self._stops.append(made.stop)
        return made

    async def _peers(self, reactor: Any, asked: argparse.Namespace) -> Peers:
        made = await make_peers(
            reactor,
            name=asked.peer_name,
            listen=asked.peer_listen,
            target_name=asked.target_name,
        )
        self._stops.append(made.stop)
        return made


def _source(asked: argparse.Namespace) -> AccountSource:
    if asked.token:
        if len(asked.token) < MEMBERS:
            raise CannotRun("--token is needed three times, for A, B and C")
        return Given(list(asked.token))
    if asked.register or asked.shared_secret:
        return Registered(asked.shared_secret)
    raise CannotRun("no people: give --register, --shared-secret or --token")


def _timers(asked: argparse.Namespace) -> Timers:
    return Timers(
        granularity=asked.granularity,
        online=asked.online_timeout,
        idle=asked.idle_timeout,
        federation=asked.federation_timeout,
        patience=asked.patience,
    )


async def _restart(reactor: Any, target: Target, command: str) -> None:
    """Have a shell restart the target, and wait until it answers.

    Raises:
        CannotRun: it does not come back, or the command failed.
    """
    running: Deferred[Any] = getProcessOutputAndValue(
        "/bin/sh", ["-c", command], reactor=reactor
    )
    _, said, status = await running
    if status:
        text = said.decode("utf-8", "replace").strip()
        raise CannotRun(f"--restart ended with status {status} {text}".rstrip())
    deadline = target.now() + _RESTART * 1000
    while True:
        try:
            await found_target(target)
        except CannotRun:
            if target.now() >= deadline:
                raise
            await deferLater(reactor, 0.5)
        else:
            return
