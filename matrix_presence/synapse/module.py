"""The module as Synapse loads it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from synapse.module_api import ModuleApi
from synapse.module_api.errors import ConfigError as SynapseConfigError

from matrix_presence.config import ConfigError
from matrix_presence.device_inputs import NO_DEVICE
from matrix_presence.interfaces import Profile
from matrix_presence.synapse.inputs import DEACTIVATED, LOGGED_OUT, REACTIVATED
from matrix_presence.synapse.options import ModuleConfig, parse_entry
from matrix_presence.synapse.takeover import build, install, is_installed

if TYPE_CHECKING:
    from matrix_presence.synapse.parts import Parts
    from matrix_presence.synapse.relays import Relay

logger = logging.getLogger(__name__)


class PresenceModule:
    """Takes over presence, and hears of accounts what a presence handler does not."""

    @staticmethod
    def parse_config(config: Mapping[str, Any] | None) -> ModuleConfig:
        """Read the module's entry; from here on, homeservers get our handler.

        Synapse builds the handler before it makes an instance of a module, so this is
        the last moment to get in between.

        Raises:
            ConfigError: with one sentence that names the key and the value.
        """
        try:
            parsed = parse_entry(config)
        except ConfigError as fault:
            raise SynapseConfigError(str(fault)) from None
        install(PresenceModule, build)
        return parsed

    def __init__(self, config: ModuleConfig, api: ModuleApi) -> None:
        self._homeserver: Any = getattr(api, "_hs", None)
        self.config = config
        if self._homeserver is None or not is_installed(PresenceModule):
            logger.error(
                "Presence stays with Synapse: this version builds it in another way"
            )
            return
        self._add_paths()
        if config.own.profiles:
            api.register_third_party_rules_callbacks(
                on_profile_update=self.on_profile_update
            )
        if not config.own.logout_ends_presence:
            return
        try:
            api.register_password_auth_provider_callbacks(
                on_logged_out=self.on_logged_out
            )
        except SynapseConfigError:
            # Somebody else holds the sessions: a device is offline when its polls end.
            logger.info("Presence is not told of logouts")
        api.register_third_party_rules_callbacks(
            on_user_deactivation_status_changed=self.on_deactivation_changed
        )

    def _add_paths(self) -> None:
        """Presence lists are asked for when the listeners start, just after this."""
        try:
            from matrix_presence.synapse.list_paths import install_lists

            install_lists()
        except Exception as absent:
            # A module that fails here keeps Synapse from starting.
            logger.info("There are no presence lists: %s", absent)

    def _parts(self) -> Parts | None:
        """Our presence, if this process of the homeserver has it."""
        return getattr(self._homeserver.get_presence_handler(), "parts", None)

    def _relay(self) -> Relay | None:
        """Our way to the process that has it, where this one does not."""
        handler = self._homeserver.get_presence_handler()
        return getattr(handler, "matrix_presence_relay", None)

    async def on_logged_out(
        self, user_id: str, device_id: str | None, access_token: str
    ) -> None:
        """A device is gone, and what it stated ends with it."""
        parts, relay = self._parts(), self._relay()
        if parts is not None:
            handler = parts.handler
            device = NO_DEVICE if device_id is None else device_id
            parts.readiness.then(lambda: handler.logged_out(user_id, device))
        elif relay is not None:
            await relay.tell(user_id, device_id, LOGGED_OUT)

    async def on_profile_update(
        self, user_id: str, new_profile: Any, by_admin: bool, deactivation: bool
    ) -> None:
        """The name or the picture of a user has changed."""
        parts = self._parts()
        if parts is not None:
            profile = Profile(new_profile.display_name, new_profile.avatar_url)
            handler = parts.handler
            parts.readiness.then(lambda: handler.profile_changed(user_id, profile))

    async def on_deactivation_changed(
        self, user_id: str, deactivated: bool, by_admin: bool
    ) -> None:
        """An account is no more, or has been brought back."""
        parts, relay = self._parts(), self._relay()
        if parts is not None:
            handler = parts.handler
            told = handler.deactivated if deactivated else handler.registered
            parts.readiness.then(lambda: told(user_id))
        elif relay is not None:
            what = DEACTIVATED if deactivated else REACTIVATED
            await relay.tell(user_id, None, what)
