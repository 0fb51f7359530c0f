"""What other modules do with presence, by Synapse's own module API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from synapse.api.errors import SynapseError
from synapse.events.presence_router import PresenceRouter
from synapse.handlers.presence import presence_user_to_current_state_size_gauge
from synapse.metrics import SERVER_NAME_LABEL
from synapse.module_api import ModuleApi

from tests.synapse.in_process import InProcessTestCase, shown_in

ALICE, BOB, CAROL, DAVE = "@alice:hs", "@bob:hs", "@carol:hs", "@dave:far"


class Router:
    """A module that routes presence as a test says."""

    #: By user: whose presence they get besides.
    shown: ClassVar[dict[str, Any]] = {}

    def __init__(self, config: object, api: ModuleApi) -> None:
        api.register_presence_router_callbacks(
            get_users_for_states=self.get_users_for_states,
            get_interested_users=self.get_interested_users,
        )

    @staticmethod
    def parse_config(config: object) -> object:
        """Nothing to configure."""
        return config

    async def get_users_for_states(self, states: Iterable[Any]) -> dict[str, set[Any]]:
        """By user: who is of interest to them."""
        states = set(states)
        return {
            viewer: {
                state for state in states if some == "ALL" or state.user_id in some
            }
            for viewer, some in self.shown.items()
        }

    async def get_interested_users(self, user_id: str) -> Any:
        """As the test says; all of them is a word of Synapse's."""
        return self.shown.get(user_id, set())


class RouterTests(InProcessTestCase):
    """Presence routers, with ours as without it (D-53)."""

    module: ClassVar[Any] = None
    others: ClassVar[tuple[type[Any], ...]] = (Router,)

    def setUp(self) -> None:
        """Nobody is routed anything, and nobody shares a room."""
        Router.shown.clear()
        self.addCleanup(Router.shown.clear)
        super().setUp()
        self.alice, self.bob = self.person("alice"), self.person("bob")

    def test_user_is_shown_those_whom_a_router_adds(self) -> None:
        """A first sync shows them, later ones their changes, and nobody else's."""
        carol = self.person("carol")
        Router.shown[BOB] = {ALICE}
        self.put(self.alice, "online", status_msg="routed")
        self.put(carol, "online")
        self.pass_time(1)
        shown, token = self.sync(self.bob, set_presence="offline")
        self.assertEqual("routed", shown[ALICE]["status_msg"])
        self.assertNotIn(CAROL, shown)
        self.put(self.alice, "unavailable")
        self.put(carol, "unavailable")
        self.pass_time(1)
        shown, _ = self.sync(self.bob, token, set_presence="offline")
        self.assertEqual("unavailable", shown[ALICE]["presence"])
        self.assertNotIn(CAROL, shown)

    def test_all_users_means_all(self) -> None:
        """The module's word for it; whoever is known is shown, room or not."""
        Router.shown[BOB] = PresenceRouter.ALL_USERS
        carol = self.person("carol")
        for person in (self.alice, carol):
            self.put(person, "online")
        self.pass_time(1)
        shown, token = self.sync(self.bob, set_presence="offline")
        self.assertLessEqual({ALICE, CAROL}, set(shown))
        self.put(carol, "unavailable")
        self.pass_time(1)
        shown, _ = self.sync(self.bob, token, set_presence="offline")
        self.assertEqual({CAROL}, set(shown))

    def test_waiting_client_is_woken_by_a_routed_change(self) -> None:
        """And shown it."""
        Router.shown[BOB] = {ALICE}
        _, token = self.sync(self.bob, set_presence="offline")
        path = self.sync_path(token, timeout=20, set_presence="offline")
        waiting = self.asking("GET", path, None, self.bob)
        self.assertFalse(waiting.is_answered)
        self.put(self.alice, "online", status_msg="wake up")
        self.pass_time(5)
        shown = shown_in(waiting.answer().json)
        self.assertEqual("wake up", shown[ALICE]["status_msg"])

    def test_other_servers_are_told_what_is_routed_there(self) -> None:
        """Although no room is shared with the user there."""
        Router.shown[DAVE] = {ALICE}
        heard = self.hear()
        self.put(self.alice, "online")
        self.pass_time(10)
        self.assertIn(("far", ALICE, "online"), heard)

    def test_routing_does_not_make_visible(self) -> None:
        """A GET goes by rooms alone, as it always has."""
        Router.shown[BOB] = {ALICE}
        answer = self.ask("GET", f"v3/{self.alice.path}", None, self.bob)
        self.assertEqual(403, answer.code)

    def test_full_presence_holds_what_is_routed(self) -> None:
        """`send_local_online_presence_to` asks the routers too."""
        Router.shown[BOB] = {ALICE}
        self.put(self.alice, "online")
        self.pass_time(1)
        _, token = self.sync(self.bob, set_presence="offline")
        self.run_now(self.api.send_local_online_presence_to([BOB]))
        self.pass_time(1)
        shown, _ = self.sync(self.bob, token, set_presence="offline")
        self.assertIn(ALICE, shown)


class OurRouterTests(RouterTests):
    """The same with the module."""

    module: ClassVar[Any] = MappingProxyType({})

    def test_presence_is_ours(self) -> None:
        """A router is no reason to leave presence to Synapse."""
        self.assertTrue(hasattr(self.presence, "parts"))

    def test_router_that_fails_is_left_out(self) -> None:
        """What it would have added is not there; all else is."""
        self.room(self.alice, self.bob)
        Router.shown[BOB] = 5
        self.put(self.alice, "online")
        self.pass_time(1)
        shown, _ = self.sync(self.bob, set_presence="offline")
        self.assertIn(ALICE, shown)


class ModuleApiTests(InProcessTestCase):
    """The functions of the module API that are about presence."""

    module: ClassVar[Any] = None

    def setUp(self) -> None:
        """Alice and Bob share a room."""
        super().setUp()
        self.alice, self.bob = self.person("alice"), self.person("bob")
        self.room_id = self.room(self.alice, self.bob)

    def test_presence_of_local_users_can_be_set(self) -> None:
        """Everybody who shares a room is shown it."""
        _, token = self.sync(self.bob, set_presence="offline")
        self.run_now(
            self.api.set_presence_for_users({ALICE: ("unavailable", "by a module")})
        )
        self.pass_time(1)
        shown, _ = self.sync(self.bob, token, set_presence="offline")
        content = shown[ALICE]
        self.assertEqual("unavailable", content["presence"])
        self.assertEqual("by a module", content["status_msg"])

    def test_presence_of_remote_users_can_be_set(self) -> None:
        """As if their server had told it."""
        self.inject_join(self.room_id, DAVE)
        self.run_now(self.api.set_presence_for_users({DAVE: ("online", "far")}))
        self.pass_time(1)
        self.assertEqual("far", self.get(DAVE, self.bob)["status_msg"])

    def test_online_presence_is_sent_to_local_users_once(self) -> None:
        """With the next sync, although there is nothing new; not with the one after."""
        self.put(self.alice, "online")
        self.pass_time(1)
        _, token = self.sync(self.bob, set_presence="offline")
        self.pass_time(1)
        shown, token = self.sync(self.bob, token, set_presence="offline")
        self.assertEqual({}, shown)
        self.run_now(self.api.send_local_online_presence_to([BOB]))
        self.pass_time(1)
        shown, token = self.sync(self.bob, token, set_presence="offline")
        self.assertIn(ALICE, shown)
        shown, _ = self.sync(self.bob, token, set_presence="offline")
        self.assertNotIn(ALICE, shown)

    def test_online_presence_is_sent_to_remote_users(self) -> None:
        """To their server, at once."""
        self.inject_join(self.room_id, DAVE)
        self.put(self.alice, "online")
        self.pass_time(30)
        self.put(self.alice, "online")
        self.pass_time(20)
        heard = self.hear()
        self.run_now(self.api.send_local_online_presence_to([DAVE]))
        self.assertIn(("far", ALICE, "online"), heard)


class OurModuleApiTests(ModuleApiTests):
    """The same with the module."""

    module: ClassVar[Any] = MappingProxyType({})

    def test_events_come_from_our_source(self) -> None:
        """The module API asks the source that all others ask."""
        source: Any = self.homeserver.get_event_sources().sources.presence
        self.assertIs(source, self.api._presence_stream)

    def test_no_limit_holds_a_module_back(self) -> None:
        """However often it speaks, the last word counts at once."""
        for number in range(30):
            status = {ALICE: ("online", str(number))}
            self.run_now(self.api.set_presence_for_users(status))
        self.assertEqual("29", self.state(ALICE).status_msg)

    def test_states_that_are_none_are_refused(self) -> None:
        """With the error that Synapse has for it."""
        setting = self.api.set_presence_for_users({ALICE: ("sleepy", None)})
        with self.assertRaises(SynapseError):
            self.run_now(setting)


class UntrackedTests(InProcessTestCase):
    """`presence.enabled: untracked`: only modules set presence."""

    module: ClassVar[Any] = None
    sections: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"presence": {"enabled": "untracked"}}
    )

    def test_what_clients_do_changes_nothing(self) -> None:
        """Statuses are taken and forgotten, syncs and EDUs too."""
        alice, bob = self.person("alice"), self.person("bob")
        room_id = self.room(alice, bob)
        self.inject_join(room_id, DAVE)
        self.done("PUT", f"v3/{alice.path}", {"presence": "online"}, alice)
        self.done("PUT", f"v3/{alice.path}", {"presence": "sleepy"}, alice)
        self.sync(alice)
        path = "unstable/org.matrix.simplified_msc3575/sync?timeout=0"
        self.done("POST", path, {"conn_id": "one", "lists": {}}, alice)
        self.send(alice, room_id, "m.room.message")
        self.edu({"push": [{"user_id": DAVE, "presence": "online"}]})
        for user_id in (ALICE, DAVE):
            self.assertEqual({"presence": "offline"}, self.get(user_id, bob))

    def test_what_modules_set_is_delivered_and_stays(self) -> None:
        """No time-out ends it."""
        alice, bob = self.person("alice"), self.person("bob")
        self.room(alice, bob)
        _, token = self.sync(bob)
        self.run_now(self.api.set_presence_for_users({ALICE: ("online", "set")}))
        self.pass_time(1)
        shown, _ = self.sync(bob, token)
        self.assertEqual("set", shown[ALICE]["status_msg"])
        self.pass_time(400)
        self.assertEqual("online", self.get(alice, bob)["presence"])

    def test_nothing_goes_to_other_servers(self) -> None:
        """Whatever modules set."""
        alice = self.person("alice")
        self.inject_join(self.room(alice), DAVE)
        sent: list[Any] = []
        sender: Any = self.homeserver.get_federation_sender()
        self.patch(sender, "_get_per_destination_queue", sent.append)
        self.run_now(self.api.set_presence_for_users({ALICE: ("online", None)}))
        self.pass_time(10)
        self.assertEqual([], sent)


class OurUntrackedTests(UntrackedTests):
    """The same with the module."""

    module: ClassVar[Any] = MappingProxyType({})

    def test_presence_is_ours(self) -> None:
        """There is something to deliver."""
        self.assertTrue(hasattr(self.presence, "parts"))


class MetricTests(InProcessTestCase):
    """Synapse's own metrics of presence."""

    module: ClassVar[Any] = None

    def total(self, name: str, **labels: str) -> float:
        """The present value of a counter or a gauge."""
        from prometheus_client import REGISTRY

        labels[SERVER_NAME_LABEL] = "hs"
        return REGISTRY.get_sample_value(name, labels) or 0.0

    def grows(self, do: Callable[[], object], name: str, **labels: str) -> float:
        """By how much a counter grows, when it has been looked at after a while."""
        name = f"synapse_handler_presence_{name}_total"
        self.pass_time(1.1)
        before = self.total(name, **labels)
        do()
        self.pass_time(1.1)
        return self.total(name, **labels) - before

    def test_each_counts_what_it_says(self) -> None:
        """Updates, notifications with their reasons, transitions, bumps and reads."""
        alice, bob = self.person("alice"), self.person("bob")
        room_id = self.room(alice, bob)
        self.inject_join(room_id, DAVE)
        self.pass_time(1)

        def put(presence: str, message: str) -> Callable[[], object]:
            def do() -> None:
                self.put(alice, presence, status_msg=message)
                self.pass_time(0.5)

            return do

        local = {"locality": "local"}
        to_online = {**local, "from": "offline", "to": "online"}
        grown = self.grows(
            lambda: self.put(alice, "online"), "state_transition", **to_online
        )
        self.assertEqual(1, grown)
        because = {**local, "reason": "status_msg_change"}
        self.assertEqual(1, self.grows(put("online", "2"), "notify_reason", **because))
        because["reason"] = "state_change"
        grown = self.grows(put("unavailable", "2"), "notify_reason", **because)
        self.assertEqual(1, grown)
        self.assertEqual(1, self.grows(put("online", "3"), "notified_presence"))
        self.assertGreaterEqual(self.grows(put("online", "4"), "presence_updates"), 1)
        self.assertEqual(
            1,
            self.grows(
                lambda: self.send(alice, room_id, "m.room.message"), "bump_active_time"
            ),
        )
        push = {"push": [{"user_id": DAVE, "presence": "online"}]}
        grown = self.grows(lambda: self.edu(push), "federation_presence")
        self.assertEqual(1, grown)
        _, token = self.sync(bob)
        put("online", "5")()
        grown = self.grows(lambda: self.sync(bob, token), "get_updates", type="stream")
        self.assertLessEqual(1, grown)
        grown = self.grows(lambda: self.pass_time(120), "timers_fired")
        self.assertLessEqual(1, grown)
        # Of every homeserver there ever was in this process, under one name.
        sizes = presence_user_to_current_state_size_gauge.collect()
        self.assertIn(3, [one.value for size in sizes for one in size.samples])


class OurMetricTests(MetricTests):
    """The same with the module."""

    module: ClassVar[Any] = MappingProxyType({})

    def test_what_goes_out_is_counted(self) -> None:
        """Each user of whom another server is told."""
        alice = self.person("alice")
        self.inject_join(self.room(alice), DAVE)
        self.hear()

        def change() -> None:
            self.put(alice, "online")
            self.pass_time(10)

        self.assertEqual(1, self.grows(change, "federation_presence_out"))

    def test_ours_stand_beside_them(self) -> None:
        """Under our prefix, by the name of the homeserver."""
        alice, bob = self.person("alice"), self.person("bob")
        self.room(alice, bob)
        self.put(alice, "online")
        self.pass_time(1)
        users = self.total("matrix_presence_users", presence="online")
        self.assertEqual(1, users)
        self.assertEqual(1, self.total("matrix_presence_rooms"))
        self.assertLess(0, self.total("matrix_presence_ticks_total"))
