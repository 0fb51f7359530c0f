"""From what was said on the command line to what a run works with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from twisted.internet.testing import MemoryReactorClock

from matrix_presence.check.arguments import add_arguments
from matrix_presence.check.preparation import Preparation, make_agent
from matrix_presence.check.registry import Need
from matrix_presence.check.target import Target
from matrix_presence.check.verdicts import CannotRun
from tests.base import TestCase
from tests.check.targets import VERSIONS, always, scripted

TOKENS = ("--token", "t1", "--token", "t2", "--token", "t3")


class Harbour(MemoryReactorClock):
    """A reactor without a network that knows which ports are closed again."""

    def __init__(self) -> None:
        super().__init__()
        self.ports: list[Port] = []

    def listenTCP(self, *args: Any, **kwargs: Any) -> Any:
        """A port that keeps whether it was closed."""
        super().listenTCP(*args, **kwargs)
        self.ports.append(Port())
        return self.ports[-1]


class Port:
    """Stands for a port that is listened on."""

    stopped = False

    def stopListening(self) -> None:
        """Listen no more."""
        self.stopped = True


class PreparationTests(TestCase):
    """What is there, and what of it has to be put away."""

    def setUp(self) -> None:
        """A reactor without a network."""
        self.reactor: Any = Harbour()

    def said(self, *arguments: str) -> argparse.Namespace:
        """What is understood of these."""
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        return parser.parse_args(["http://hs.test", *arguments])

    def prepared(self, *arguments: str) -> Preparation:
        """What is prepared for these."""
        target: Target = scripted(always(VERSIONS))
        making = Preparation.make(self.reactor, target, self.said(*arguments))
        made: Preparation = self.successResultOf(making)
        return made

    def refusal(self, *arguments: str) -> str:
        """Why nothing can be prepared for these."""
        target: Target = scripted(always(VERSIONS))
        making = Preparation.make(self.reactor, target, self.said(*arguments))
        return str(self.failureResultOf(making, CannotRun).value)

    def test_people_are_needed(self) -> None:
        """By one of three ways, and three of them."""
        self.assertIn("no people: give --register", self.refusal())
        self.assertIn("needed three times", self.refusal(*TOKENS[:4]))

    def test_accounts_that_can_be_made_are_as_many_as_needed(self) -> None:
        """And nobody has used them."""
        for arguments in (["--register"], ["--shared-secret", "s"]):
            prepared = self.prepared(*arguments)
            self.assertEqual({Need.NEW_ACCOUNT}, prepared.lab.has)
            self.assertEqual(8, prepared.at_once)
        self.assertEqual(2, self.prepared("--register", "--side-by-side", "2").at_once)

    def test_tokens_are_for_three_each(self) -> None:
        """Those that are left over are not used; none may be shown."""
        self.assertEqual(1, self.prepared(*TOKENS).at_once)
        prepared = self.prepared(*TOKENS, *TOKENS, "--token", "t7")
        self.assertEqual(2, prepared.at_once)
        self.assertIn("t7", prepared.lab.secrets)
        self.assertEqual(set(), prepared.lab.has)

    def test_times_are_those_that_were_said(self) -> None:
        """In seconds."""
        times = (
            "--granularity", "2s", "--online-timeout", "4s", "--idle-timeout", "6s",
            "--federation-timeout", "1m", "--patience", "500ms",
        )  # fmt: skip
        timers = self.prepared("--register", *times).lab.timers
        found = (timers.granularity, timers.online, timers.idle)
        self.assertEqual((2.0, 4.0, 6.0), found)
        self.assertEqual((60.0, 0.5), (timers.federation, timers.patience))

    def test_an_application_service_listens_if_it_is_said_where(self) -> None:
        """And does no more once it is put away."""
        service = self.prepared("--register", "--as-token", "secret").lab.appservice
        assert service is not None
        self.assertIsNone(service.events)
        listen = ("--as-token", "secret", "--as-listen", "tcp:9000:interface=127.0.0.1")
        prepared = self.prepared("--register", *listen)
        self.assertEqual({Need.NEW_ACCOUNT, Need.APPSERVICE}, prepared.lab.has)
        self.assertIn("secret", prepared.lab.secrets)
        self.assertEqual([9000], [server[0] for server in self.reactor.tcpServers])
        self.successResultOf(prepared.put_away())
        self.assertEqual([True], [port.stopped for port in self.reactor.ports])

    def test_where_nobody_can_listen_is_named(self) -> None:
        """Of the application service, as of the peer."""
        listen = ("--as-token", "t", "--as-listen", "pigeon:1")
        self.assertIn("'pigeon:1'", self.refusal("--register", *listen))
        peer = ("--federation", "--peer-listen", "pigeon:2")
        self.assertIn("pigeon:2", self.refusal("--register", *peer))

    def test_certificates_that_cannot_be_read_are_named(self) -> None:
        """Or are none."""
        path = Path(self.mktemp())
        for content in (None, b"no certificate"):
            if content is not None:
                path.write_bytes(content)
            asked = self.said("--ca", str(path))
            error = self.assertRaises(CannotRun, make_agent, self.reactor, asked)
            self.assertIn(str(path), str(error))
        self.assertTrue(make_agent(self.reactor, self.said("--insecure")))
