"""A module for a Synapse that keeps back the state of its rooms from other servers.

Whoever joins meanwhile by a faster join knows the room's members only in part.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from synapse.module_api import ModuleApi

#: Seconds after which it is looked again whether the state may go out.
_PAUSE = 0.05


class HeldState:
    """Answers no question about state while the file `held` is there.

    Args:
        config: `held`, the path of that file; what was asked is written into it.
    """

    @staticmethod
    def parse_config(config: dict[str, Any]) -> dict[str, Any]:
        """As it is."""
        return config

    def __init__(self, config: dict[str, Any], api: ModuleApi) -> None:
        self._held = Path(config["held"])
        self._api = api
        federation = api._hs.get_federation_server()
        for name in ("on_state_ids_request", "on_room_state_request"):
            setattr(federation, name, self._late(getattr(federation, name)))

    def _late(self, answer: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        async def answer_late(*args: Any, **kwargs: Any) -> Any:
            while self._held.exists():
                self._held.write_text("asked")
                await self._api.sleep(_PAUSE)
            return await answer(*args, **kwargs)

        return answer_late
