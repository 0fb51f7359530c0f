"""How presence comes to be ours: the door in Synapse.

Synapse builds its presence handler when it is first asked for, which on some processes
is before any module exists. Reading the configuration comes before everything, so the
getter is replaced then, once for the whole program; each homeserver in it then gets
what its own configuration says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from synapse import server as synapse_server
from synapse.server import HomeServer

logger = logging.getLogger(__name__)

#: Builds the handler of a homeserver; given its configuration of the module and the
#: builder of Synapse's own handler.
Build = Callable[[HomeServer, Any, Callable[[HomeServer], Any]], Any]

#: On our getter: the module that put it there.
_MARK = "_matrix_presence"


def install(module: type[Any], build: Build) -> None:
    """Let `build` make the handler of every homeserver that has `module` configured.

    Does nothing if the getter is not what it is known to be; see `is_installed`.
    """
    current: Any = getattr(HomeServer, "get_presence_handler", None)
    stock = getattr(current, "__wrapped__", None)
    cache_in_self = getattr(synapse_server, "cache_in_self", None)
    if hasattr(current, _MARK) or stock is None or cache_in_self is None:
        return

    # `cache_in_self` goes by the name of the function.
    def get_presence_handler(homeserver: HomeServer) -> Any:
        for loaded, config in homeserver.config.modules.loaded_modules:
            if loaded is module:
                return build(homeserver, config, stock)
        return stock(homeserver)

    getter: Any = cache_in_self(get_presence_handler)
    setattr(getter, _MARK, module)
    HomeServer.get_presence_handler = getter  # type: ignore[method-assign]


def is_installed(module: type[Any]) -> bool:
    """Whether homeservers get their handler from this module."""
    getter = getattr(HomeServer, "get_presence_handler", None)
    return getattr(getter, _MARK, None) is module


def build(
    homeserver: HomeServer, config: Any, stock: Callable[[HomeServer], Any]
) -> Any:
    """Our handler; Synapse's own where this version of it lacks what we import."""
    try:
        # Here, because a module that cannot be imported keeps Synapse from starting.
        from matrix_presence.synapse import assembly
    except Exception as fault:
        logger.error("Presence stays with Synapse: %s", fault)
        return stock(homeserver)
    return assembly.build(homeserver, config, stock)
