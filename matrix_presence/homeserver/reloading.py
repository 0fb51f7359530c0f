"""The configuration read again while the server runs.

Few options can change then. What else has changed is named, and waits for a restart; a
configuration that cannot be used changes nothing.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from typing import Any

from matrix_presence import config as presence_config
from matrix_presence.homeserver.settings import ServeConfig, ServeOptions, settle
from matrix_presence.options import ConfigError, reference

logger = logging.getLogger(__name__)

#: The options that take effect.
RELOADABLE = frozenset(
    {
        "federation_domain_whitelist",
        "federation_domain_blacklist",
        *(f"presence.{name}" for name in presence_config.RELOADABLE),
    }
)


class Reloading:
    """Reads the configuration again.

    Args:
        options: what the server was started with.
        read: what is to be read now; raises ConfigError.
        take_over: puts the options that can change into effect.
    """

    def __init__(
        self,
        options: ServeOptions,
        read: Callable[[], ServeOptions],
        take_over: Callable[[ServeConfig], None],
    ) -> None:
        self._in_effect = _by_path(options)
        self._read = read
        self._take_over = take_over

    def reload(self) -> None:
        """Put into effect what has changed and can; say what cannot."""
        try:
            options = self._read()
            config = settle(options)
        except ConfigError as error:
            logger.error("The configuration stays as it was: %s", error)
            return
        written = _by_path(options)
        changed = {path for path in written if written[path] != self._in_effect[path]}
        self._take_over(config)
        taken = sorted(changed & RELOADABLE)
        self._in_effect |= {path: written[path] for path in taken}
        logger.info("The configuration was read again: %s", _listed(taken))
        if waiting := sorted(changed - RELOADABLE):
            logger.warning("A restart is needed for: %s", _listed(waiting))


def reload_on_hangup(reactor: Any, reloading: Reloading) -> None:
    """Read the configuration again with each SIGHUP, where there is such a thing."""

    def hung_up(_number: int, _frame: object) -> None:
        # A signal comes between any two steps of anything.
        reactor.callFromThread(reloading.reload)

    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, hung_up)


def _by_path(options: ServeOptions) -> dict[str, str]:
    """Each option as one would write it."""
    return {entry.path: entry.default for entry in reference(options)}


def _listed(paths: list[str]) -> str:
    return ", ".join(paths) or "nothing has changed"
