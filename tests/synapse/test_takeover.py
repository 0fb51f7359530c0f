"""When presence is ours, when it stays with Synapse, and what may be configured."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest import mock

from synapse.module_api.errors import ConfigError as SynapseConfigError
from synapse.notifier import _NotifierUserStream
from synapse.server import HomeServer
from twisted.internet.defer import Deferred

import matrix_presence.synapse
from matrix_presence.config import ConfigError
from matrix_presence.synapse import PresenceModule, assembly, options, shapes, takeover
from matrix_presence.synapse.options import ModuleConfig, parse_entry, with_synapses
from matrix_presence.synapse.parts import Parts
from tests.base import TestCase
from tests.synapse.rig import ALICE, BOB, Reactor, Store, Synapse, SynapseTestCase


class OptionTests(TestCase):
    """The module's entry in homeserver.yaml."""

    def refusal(self, written: Any) -> str:
        """The sentence."""
        with self.assertRaises(ConfigError) as refused:
            parse_entry(written)
        return str(refused.exception)

    def test_empty_entry_has_the_defaults(self) -> None:
        """A budget of fifty wake-ups a second among them."""
        nothing: dict[str, Any] = {}
        for written in (None, nothing):
            config = parse_entry(written)
            self.assertEqual(50, config.presence.client_wakeups_per_second)
            self.assertTrue(config.own.keep_status_when_omitted)

    def test_options_are_read_strictly(self) -> None:
        """Unknown ones and values that do not fit are named."""
        self.assertIn("client_window", self.refusal({"client_windw": 1}))
        self.assertIn("client_window", self.refusal({"client_window": True}))
        self.assertIn("yes", self.refusal({"keep_status_when_omitted": "yes"}))
        self.assertIn("a list", self.refusal([1]))

    def test_options_of_synapse_are_refused_with_their_place(self) -> None:
        """They are set where they always were."""
        said = self.refusal({"include_offline_users_on_sync": True})
        self.assertIn("presence.include_offline_users_on_sync", said)
        self.assertIn("Synapse", self.refusal({"disabled_put": 403}))

    def test_synapses_own_options_count(self) -> None:
        """Times, limits and rooms come from its sections."""
        synapse: Any = Synapse(Reactor(), Store()).config
        config = with_synapses(parse_entry({}), synapse)
        self.assertEqual(300_000, config.idle_timeout)
        self.assertEqual(10, config.rc_presence.per_user.burst_count)
        self.assertEqual(("!excluded:hs",), config.exclude_rooms_from_presence)
        synapse.server.presence_sync_online_timeout = 7_200_000
        self.assertGreater(
            with_synapses(parse_entry({}), synapse).busy_online_timeout,
            7_200_000,
        )

    def test_options_that_synapse_lacks_are_ours(self) -> None:
        """Older versions do not let them be set; the entry does then."""
        synapse: Any = Synapse(Reactor(), Store()).config
        del synapse.server.presence_idle_timeout
        self.patch(options, "LACKING", frozenset({"idle_timeout"}))
        ours = parse_entry({"idle_timeout": "7m"})
        self.assertEqual(420_000, with_synapses(ours, synapse).idle_timeout)
        self.patch(options, "LACKING", frozenset())
        self.assertIn("presence.idle_timeout", self.refusal({"idle_timeout": "7m"}))

    def test_fault_is_a_fault_to_synapse_too(self) -> None:
        """It refuses to start, with the sentence."""
        with self.assertRaises(SynapseConfigError) as refused:
            PresenceModule.parse_config({"client_windw": 1})
        self.assertIn("client_window", refused.exception.msg)


class InstallTests(TestCase):
    """The getter of the handler."""

    def setUp(self) -> None:
        """Start from Synapse's own."""
        self.patch(HomeServer, "get_presence_handler", _stock_getter)

    def homeserver(self, *modules: type[Any]) -> Any:
        """A homeserver with these modules configured."""
        loaded = [(module, "its config") for module in modules]
        config = SimpleNamespace(modules=SimpleNamespace(loaded_modules=loaded))
        return SimpleNamespace(config=config)

    def test_each_homeserver_gets_what_it_has_configured(self) -> None:
        """The program may hold several; asked again they get the same."""
        takeover.install(int, lambda hs, config, stock: ("ours", config))
        takeover.install(int, lambda hs, config, stock: "never")
        self.assertTrue(takeover.is_installed(int))
        get: Callable[[Any], Any] = HomeServer.get_presence_handler
        with_it, without = self.homeserver(str, int), self.homeserver(str)
        self.assertEqual(("ours", "its config"), get(with_it))
        self.assertIs(get(with_it), get(with_it))
        self.assertEqual("stock", get(without))

    def test_unknown_getter_is_left_alone(self) -> None:
        """Another version may make it in another way; the module then says so."""
        self.patch(HomeServer, "get_presence_handler", lambda homeserver: "new")
        takeover.install(PresenceModule, takeover.build)
        self.assertFalse(takeover.is_installed(PresenceModule))
        api: Any = SimpleNamespace(_hs=None)
        PresenceModule(parse_entry({}), api)
        (said,) = self.logged_errors()
        self.assertIn("Presence stays with Synapse", said)


def _stock_getter(homeserver: object) -> str:
    return "stock"


_stock_getter.__wrapped__ = lambda homeserver: "stock"  # type: ignore[attr-defined]  # as functools.wraps leaves it


class FailClosedTests(SynapseTestCase):
    """Whatever is not as it was: one line, and Synapse's own presence."""

    def stays(self, word: str) -> None:
        """Build again; presence stays with Synapse, which is told why."""
        homeserver: Any = self.synapse
        before = self.synapse.sources.presence
        built = assembly.build(homeserver, parse_entry({}), self.stock)
        self.assertEqual("stock", built)
        self.assertIs(before, self.synapse.sources.presence)
        (said,) = self.logged_errors()
        self.assertIn("Presence stays with Synapse", said)
        self.assertIn(word, said)

    def test_shape_that_is_missing(self) -> None:
        """It is named."""
        self.patch(shapes, "missing", lambda homeserver: ["Notifier.bell"])
        self.stays("Notifier.bell")

    def test_anything_that_goes_wrong(self) -> None:
        """What was put in place is taken back."""

        def fail(*args: object) -> None:
            raise RuntimeError("in the middle")

        self.patch(assembly, "watch", fail)
        self.stays("in the middle")
        self.assertEqual({}, self.synapse.registry.edu_handlers)

    def test_presence_that_is_switched_off(self) -> None:
        """There is nothing to take over."""
        self.synapse.config.server.presence_enabled = False
        self.stays("presence.enabled")

    def test_import_that_is_missing(self) -> None:
        """A version without something we import starts all the same."""
        homeserver: Any = self.synapse
        package = vars(matrix_presence.synapse)
        name = "matrix_presence.synapse.assembly"
        with mock.patch.dict(package), mock.patch.dict(sys.modules, {name: None}):
            del package["assembly"]
            built = takeover.build(homeserver, parse_entry({}), self.stock)
        self.assertEqual("stock", built)
        (said,) = self.logged_errors()
        self.assertIn("Presence stays with Synapse", said)

    def test_real_synapse_has_all_shapes(self) -> None:
        """Those that can be seen without a running one; interop tests see the rest."""
        update = _NotifierUserStream.update_and_fetch_deferreds
        self.assertEqual([], list(shapes._unlike(update, 3)))
        self.assertEqual(
            ["_NotifierUserStream.update_and_fetch_deferreds"],
            list(shapes._unlike(update, 2)),
        )
        self.assertEqual(
            ["Store.missing"], list(shapes._lacks(self.store, ("missing",)))
        )


class LifecycleTests(SynapseTestCase):
    """What the module hears of accounts."""

    parsed: ClassVar[ModuleConfig] = parse_entry({})

    def setUp(self) -> None:
        """The module, on the homeserver of the rig."""
        super().setUp()
        self.patch(matrix_presence.synapse.module, "is_installed", lambda module: True)
        self.registered: dict[str, Any] = {}
        homeserver: Any = self.synapse
        homeserver.get_presence_handler = lambda: self.presence

        def register(**callbacks: Any) -> None:
            self.registered.update(callbacks)

        api: Any = SimpleNamespace(
            _hs=homeserver,
            register_password_auth_provider_callbacks=register,
            register_third_party_rules_callbacks=register,
        )
        PresenceModule(self.parsed, api)

    def tell(self, name: str, *args: Any) -> None:
        """Synapse calls a callback."""
        self.successResultOf(Deferred.fromCoroutine(self.registered[name](*args)))
        self.pass_time(0.5)

    def test_logout_ends_what_the_device_stated(self) -> None:
        """At once, and of that device alone."""
        self.put(ALICE, "online")
        self.tell("on_logged_out", ALICE, "OTHER", "token")
        self.assertEqual("online", self.state(ALICE).state)
        self.tell("on_logged_out", ALICE, None, "token")
        self.assertEqual("online", self.state(ALICE).state)
        self.tell("on_logged_out", ALICE, "DEVICE", "token")
        self.assertEqual("offline", self.state(ALICE).state)

    def test_deactivation_ends_it_all(self) -> None:
        """And coming back begins with nothing."""
        self.put(ALICE, "online", status_msg="bye")
        self.tell("on_user_deactivation_status_changed", ALICE, True, False)
        self.assertEqual("offline", self.state(ALICE).state)
        self.assertNotIn(ALICE, self.events(BOB, None)[0])
        self.tell("on_user_deactivation_status_changed", ALICE, False, True)
        self.put(ALICE, "online")
        self.assertIn(ALICE, self.events(BOB, None)[0])

    def test_without_our_handler_nothing_happens(self) -> None:
        """On a worker, or where presence stayed with Synapse."""
        homeserver: Any = self.synapse
        homeserver.get_presence_handler = lambda: object()
        self.tell("on_logged_out", ALICE, "DEVICE", "token")
        self.tell("on_user_deactivation_status_changed", ALICE, True, False)

    def test_sessions_held_elsewhere_are_no_fault(self) -> None:
        """Synapse then refuses the callback for logouts."""

        def refuse(**callbacks: Any) -> None:
            raise SynapseConfigError("delegated")

        api: Any = SimpleNamespace(
            _hs=self.synapse,
            register_password_auth_provider_callbacks=refuse,
            register_third_party_rules_callbacks=lambda **callbacks: None,
        )
        PresenceModule(self.parsed, api)


class PartsTests(SynapseTestCase):
    """All of it in one place."""

    def test_shutdown_before_anything_is_loaded_is_quick(self) -> None:
        """There is nothing to write."""
        homeserver: Any = self.synapse
        synapse: Any = self.synapse.config
        config = parse_entry({})
        parts = Parts(homeserver, with_synapses(config, synapse), config.own)
        self.successResultOf(parts.stop())
