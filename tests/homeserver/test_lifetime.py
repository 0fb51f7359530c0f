"""The embedded homeserver as a process: ready, asked to stop, unable to start."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from twisted.application.service import IService, MultiService, Service
from twisted.application.strports import service as listening
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock

from matrix_presence.homeserver.lifetime import MakeService, serve
from matrix_presence.homeserver.settings import ServeConfig, parse_options, settle
from tests.base import TestCase


class StubService(Service):
    """A service that stops when the test lets it."""

    def __init__(self) -> None:
        self.stopped: Deferred[None] = Deferred()

    def stopService(self) -> Deferred[None]:
        """Wait for the test."""
        super().stopService()
        return self.stopped


class LifetimeTests(TestCase):
    """`serve` on a reactor in memory."""

    def setUp(self) -> None:
        super().setUp()
        self.reactor = MemoryReactorClock()
        self.service = StubService()
        self.out = self.redirected(contextlib.redirect_stdout)
        self.err = self.redirected(contextlib.redirect_stderr)

    def redirected(self, redirect: Any) -> io.StringIO:
        """What is printed during the test."""
        printed = io.StringIO()
        context = redirect(printed)
        context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return printed

    def config(self, **said: Any) -> ServeConfig:
        """A configuration with its data where the test may write."""
        return settle(parse_options({"data": self.mktemp(), **said}))

    async def made(self, reactor: Any, config: ServeConfig) -> IService:
        """The stub, as the service of any configuration."""
        return self.service

    def serving(
        self, config: ServeConfig, make_service: MakeService | None = None
    ) -> Deferred[None]:
        """The process, as far as it gets without being asked to stop."""
        make = make_service or self.made
        return Deferred.fromCoroutine(serve(self.reactor, config, make))

    def asked_to_stop(self) -> Deferred[None]:
        """What the reactor waits for before it goes away."""
        ((phase, event, stop),) = [
            (phase, event, trigger)
            for phase, triggers in self.reactor.triggers.items()
            for event, found in triggers.items()
            for trigger, _args, _kwargs in found
        ]
        self.assertEqual(("before", "shutdown"), (phase, event))
        waits: Deferred[None] = stop()
        return waits

    def refused(
        self, config: ServeConfig, make_service: MakeService | None = None
    ) -> str:
        """The one line with which it does not start."""
        failure = self.failureResultOf(self.serving(config, make_service), SystemExit)
        self.assertEqual(2, failure.value.code)
        self.assertEqual("", self.out.getvalue())
        (line,) = self.err.getvalue().splitlines()
        # Asked to stop all the same, as task.react does, it has nothing left to do.
        self.successResultOf(self.asked_to_stop())
        return line

    def test_it_says_where_it_is_ready(self) -> None:
        """Once it is started, one line gives its address and its name."""
        self.assertNoResult(self.serving(self.config(server_name="example.org")))
        self.assertTrue(self.service.running)
        self.assertEqual(
            "matrix-presence is ready: http://127.0.0.1:8008 (server name example.org)",
            self.out.getvalue().splitlines()[0],
        )

    def test_it_says_what_to_try(self) -> None:
        """Where anybody can register, it shows how; elsewhere that one cannot."""
        self.serving(self.config())
        self.assertIn(
            "http://127.0.0.1:8008/_matrix/client/v3/register", self.printed()
        )
        self.assertIn("/presence/@alice:localhost:8008/status", self.printed())
        self.serving(self.config(open_registration=False))
        self.assertIn("--open-registration", self.printed())

    def printed(self) -> str:
        """What went to stdout so far."""
        return self.out.getvalue()

    def test_it_names_an_address_that_is_no_url(self) -> None:
        """A unix socket is named as it was given."""
        self.serving(self.config(listen=["unix:/run/presence"]))
        self.assertIn("is ready: unix:/run/presence (server", self.printed())

    def test_it_is_ready_when_the_start_is_over(self) -> None:
        """A service that takes its time to start is waited for."""
        restored: Deferred[None] = Deferred()
        self.patch(self.service, "startService", lambda: restored)
        self.serving(self.config())
        self.assertEqual("", self.printed())
        restored.callback(None)
        self.assertIn("is ready", self.printed())

    def test_it_stops_in_order(self) -> None:
        """The reactor waits until the service has stopped, and then all went well."""
        serving = self.serving(self.config())
        stopping = self.asked_to_stop()
        self.assertFalse(self.service.running)
        self.assertNoResult(stopping)
        self.assertNoResult(serving)
        self.service.stopped.callback(None)
        self.successResultOf(stopping)
        self.successResultOf(serving)

    def test_it_stops_in_order_while_it_starts(self) -> None:
        """Asked to stop before it is ready, it gets ready and stops."""
        loaded: Deferred[IService] = Deferred()
        serving = self.serving(self.config(), lambda reactor, config: loaded)
        stopping = self.asked_to_stop()
        self.assertNoResult(stopping)
        loaded.callback(self.service)
        self.service.stopped.callback(None)
        self.successResultOf(stopping)
        self.successResultOf(serving)

    def test_an_endpoint_that_twisted_does_not_know_is_refused(self) -> None:
        """The endpoint is named, and what is wrong with it."""
        line = self.refused(self.config(listen=["pigeon:8008"]))
        self.assertIn("listen: cannot use 'pigeon:8008': Unknown endpoint type", line)

    def test_an_endpoint_without_its_files_is_refused(self) -> None:
        """A certificate that is not there is found before anything starts."""
        listen = ["ssl:8448:privateKey=nowhere.pem"]
        self.assertIn("nowhere.pem", self.refused(self.config(listen=listen)))

    def test_a_directory_that_cannot_be_written_is_refused(self) -> None:
        """The directory is named."""
        file = Path(self.mktemp())
        file.write_text("in the way")
        line = self.refused(self.config(data=str(file / "data")))
        self.assertIn(f"data: cannot write in '{file / 'data'}'", line)

    def test_the_directory_is_made(self) -> None:
        """The directory of the data need not exist, and nothing else is left in it."""
        data = Path(self.mktemp()) / "below"
        self.serving(self.config(data=str(data)))
        self.assertEqual([], list(data.iterdir()))

    def test_a_port_in_use_is_refused(self) -> None:
        """The address is named, and what has been started is stopped again."""

        def listenTCP(port: int, *_args: Any, **_kwargs: Any) -> None:
            raise CannotListenError("127.0.0.1", port, OSError(98, "in use"))

        self.reactor.listenTCP = listenTCP  # type: ignore[method-assign]
        both = MultiService()
        self.service.setServiceParent(both)
        port = listening("tcp:8008:interface=127.0.0.1", Factory(), self.reactor)
        port.setServiceParent(both)
        self.service.stopped.callback(None)

        async def make_service(reactor: Any, config: ServeConfig) -> IService:
            return both

        line = self.refused(self.config(), make_service)
        self.assertIn("cannot listen on 127.0.0.1:8008: [Errno 98] in use", line)
        self.assertFalse(self.service.running)

    def test_a_mistake_of_ours_does_not_look_like_one_of_the_configuration(
        self,
    ) -> None:
        """Beside the sentence, its traceback is in the log."""

        async def make_service(reactor: Any, config: ServeConfig) -> IService:
            raise AttributeError("no such thing")

        self.assertIn("no such thing", self.refused(self.config(), make_service))
        (logged,) = self.logged_errors()
        self.assertIn("AttributeError", logged)

    def test_whatever_keeps_it_from_starting_is_one_line(self) -> None:
        """The sentence of an error of many lines is put on one."""

        async def make_service(reactor: Any, config: ServeConfig) -> IService:
            raise ValueError("the database\n\tis elsewhere")

        line = self.refused(self.config(), make_service)
        self.assertEqual(
            "matrix-presence: cannot start: the database is elsewhere", line
        )
