"""Between Deferreds of ours, which know nothing of log contexts, and Synapse's rules.

Whatever awaits Synapse runs as a background process with a context of its own, and what
waits for it is resumed in none; a request that waits for us gets its own back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from synapse.logging.context import PreserveLoggingContext
from synapse.server import HomeServer
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

logger = logging.getLogger(__name__)

T = TypeVar("T")


def in_background(
    homeserver: HomeServer,
    name: str,
    work: Callable[[], Coroutine[Any, Any, T]],
) -> Deferred[T]:
    """Do the work as a background process; fires, without a context, with its outcome.

    Args:
        name: for the metrics of background processes.
    """
    done: Deferred[T] = Deferred()

    async def run() -> None:
        try:
            outcome: T | Failure = await work()
        except Exception:
            outcome = Failure()
        with PreserveLoggingContext():
            # Given a Failure, this is an errback.
            done.callback(outcome)

    homeserver.run_as_background_process(name, run)
    return done


def log_failure(why: Failure, what: str) -> None:
    """The end of something that nobody waits for: one line, unless it was ended."""
    if not why.check(CancelledError):
        logger.error("%s: %s", what, why)
