"""The embedded homeserver as a process: it starts, it is ready, it stops in order.

Whatever keeps it from starting is one sentence on stderr and exit status 2; the
traceback is in the log, at debug.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from twisted.application.service import IService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorCore

from matrix_presence.homeserver.greeting import greeting
from matrix_presence.homeserver.settings import ServeConfig
from matrix_presence.options import ConfigError

logger = logging.getLogger(__name__)

PROG = "matrix-presence"

#: What only a mistake in the program raises.
_FAULTS = (AttributeError, TypeError, NameError, LookupError, AssertionError)

MakeService = Callable[[Any, ServeConfig], Awaitable[IService]]
"""Makes the service of a configuration; it has not started to listen."""


async def serve(
    reactor: Any,
    config: ServeConfig,
    make_service: MakeService,
    when_ready: Callable[[Any], None] = lambda service: None,
) -> None:
    """Run the embedded homeserver until the process is asked to stop.

    Args:
        when_ready: called with the service once everything is loaded, before it is
            said.

    Raises:
        SystemExit: with status 2, when it could not start.
    """
    asked: Deferred[None] = Deferred()
    done: Deferred[None] = Deferred()

    def stop() -> Deferred[None]:
        asked.callback(None)
        return done

    # The reactor goes on until `done`: there is something to be written.
    reactor.addSystemEventTrigger("before", "shutdown", stop)
    try:
        service = await _started(reactor, config, make_service)
        when_ready(service)
        print(greeting(config), flush=True)
        await asked
        await maybeDeferred(service.stopService)
    finally:
        done.callback(None)


async def _started(
    reactor: IReactorCore, config: ServeConfig, make_service: MakeService
) -> IService:
    """The service, listening.

    Raises:
        SystemExit: with status 2.
    """
    try:
        _check_endpoints(reactor, config.listen)
        _check_directory(config.data)
        service = await make_service(reactor, config)
    except Exception as error:
        refuse(error)
    try:
        # It may answer a Deferred that fires when it can be used.
        await maybeDeferred(service.startService)
    except Exception as error:
        try:
            await maybeDeferred(service.stopService)
        except Exception:
            # It is half started, and cannot know which half.
            logger.debug("The service did not stop cleanly", exc_info=True)
        refuse(error)
    return service


def _check_endpoints(reactor: IReactorCore, endpoints: Sequence[str]) -> None:
    """Let Twisted read the endpoints; nothing listens yet.

    Raises:
        ConfigError: Twisted does not understand one of them.
    """
    for endpoint in endpoints:
        try:
            serverFromString(reactor, endpoint)
        except Exception as error:
            # What each kind of endpoint raises is its own affair.
            raise ConfigError(f"listen: cannot use {endpoint!r}: {error}") from error


def _check_directory(data: Path) -> None:
    """Make the directory if need be, and see that files can be made in it.

    Raises:
        ConfigError: they cannot.
    """
    probe = data / ".writable"
    try:
        data.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        text = f"data: cannot write in {str(data)!r}: {error.strerror}"
        raise ConfigError(text) from error


def refuse(error: Exception) -> NoReturn:
    """Say why it cannot start, in one line, and exit."""
    # A fault of ours must not look like one of the configuration.
    is_ours = isinstance(error, _FAULTS)
    level = logging.ERROR if is_ours else logging.DEBUG
    logger.log(level, "Could not start", exc_info=error)
    if isinstance(error, ConfigError):
        text = str(error)
    elif isinstance(error, CannotListenError):
        where = f"{error.interface or '*'}:{error.port}"
        text = f"cannot listen on {where}: {error.socketError}"
    else:
        text = f"cannot start: {str(error) or type(error).__name__}"
    print(f"{PROG}: {' '.join(text.split())}", file=sys.stderr)
    raise SystemExit(2) from None
