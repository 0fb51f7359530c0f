"""Metrics for Prometheus."""

from __future__ import annotations

import sys
from unittest import mock

from prometheus_client import REGISTRY, parser
from twisted.internet.task import Clock
from twisted.web.resource import Resource

from matrix_presence.rules.states import NAMES
from matrix_presence.testing import MemoryPresence
from matrix_presence.web.metrics import metrics_resource, users_by_presence
from tests.base import TestCase
from tests.web.connection import Connection, Response
from tests.web.rig import UNLIMITED

_USERS = "matrix_presence_users"


class MetricsTests(TestCase):
    """What a scrape shows."""

    def setUp(self) -> None:
        """Presence, with the metrics at `/metrics`."""
        self.presence = MemoryPresence(rc_presence=UNLIMITED)
        self.root = Resource()
        self.root.putChild(b"metrics", metrics_resource(self.presence.service))

    def page(self) -> Response:
        """The response to a scrape."""
        return Connection(self.root, Clock()).request("GET", "/metrics")

    def scrape(self) -> dict[str, float]:
        """The samples; those with a label by its value."""
        text = self.page().body.decode()
        return {
            sample.labels.get("presence", sample.name): sample.value
            for family in parser.text_string_to_metric_families(text)
            for sample in family.samples
        }

    def test_page(self) -> None:
        """The page is text in the format of Prometheus."""
        response = self.page()
        self.assertEqual(response.status, 200)
        self.assertTrue(response.headers["Content-Type"].startswith("text/plain;"))
        self.assertIn(b"# TYPE matrix_presence_users gauge\n", response.body)

    def test_names_and_texts(self) -> None:
        """Names have the prefix, counters end in `_total`, all have a help text."""
        text = self.page().body.decode()
        families = list(parser.text_string_to_metric_families(text))
        self.assertEqual(len(families), 11)
        for family in families:
            self.assertTrue(family.name.startswith("matrix_presence_"), family.name)
            self.assertTrue(family.documentation.endswith("."), family.name)
            for sample in family.samples:
                is_counter = family.type == "counter"
                self.assertEqual(sample.name.endswith("_total"), is_counter)

    def test_users_by_their_presence(self) -> None:
        """Each known user is counted once, with the state they are in."""
        for number, name in enumerate(NAMES):
            for copy in range(number + 1):
                self.presence.set_status(f"@{name}{copy}:hs", name)
        self.presence.clock.advance(1)
        samples = self.scrape()
        for number, name in enumerate(NAMES):
            self.assertEqual(samples[name], number + 1)
        counts = users_by_presence(self.presence.service.cache)
        self.assertEqual(sum(counts.values()), len(self.presence.service.cache.users))

    def test_what_is_there(self) -> None:
        """Devices, rooms, wheel, open polls and the position are as they are now."""
        self.presence.room("!r:hs", "@a:hs", "@b:hs")
        self.presence.room("!s:hs", "@a:hs")
        self.presence.set_status("@a:hs", "online")
        self.presence.set_status("@a:hs", "online", device_id="PHONE")
        self.presence.clock.advance(1)
        position = self.presence.view.position()
        polls = [self.presence.poll("@b:hs", position, "offline") for _ in range(3)]
        samples = self.scrape()
        for name, value in (
            ("devices", 3),
            ("rooms", 2),
            ("waiting_clients", 3),
            ("stream_position", position),
        ):
            self.assertEqual(samples[f"matrix_presence_{name}"], value, name)
        self.assertGreaterEqual(samples["matrix_presence_wheel_entries"], 1)
        for poll in polls:
            poll.close()
        self.assertEqual(self.scrape()["matrix_presence_waiting_clients"], 0)

    def test_what_was_done(self) -> None:
        """Ticks, changes, wake-ups, rows and batches are counted from the start."""
        names = ("ticks", "changes_shown", "wakeups", "rows_written", "batches_written")
        before = self.scrape()
        self.presence.room("!r:hs", "@a:hs", "@b:hs", "@c:hs")
        self.presence.clock.advance(1)
        position = self.presence.view.position()
        poll = self.presence.poll("@c:hs", position, "offline")
        self.presence.set_status("@a:hs", "online")
        self.presence.set_status("@b:hs", "online")
        self.presence.clock.advance(1)
        self.assertTrue(poll.woken)
        after = self.scrape()
        done = [
            after[f"matrix_presence_{name}_total"]
            - before[f"matrix_presence_{name}_total"]
            for name in names
        ]
        # One tick for the room and one for both statuses; each status is a batch.
        self.assertEqual(done, [2, 2, 1, 2, 2])

    def test_host_has_its_own_registry(self) -> None:
        """Two servers in one process do not meet, nor do they touch what is the
        host's."""
        theirs = {family.name for family in REGISTRY.collect()}
        metrics_resource(self.presence.service)
        metrics_resource(MemoryPresence().service)
        self.assertEqual({family.name for family in REGISTRY.collect()}, theirs)
        self.assertNotIn(b"python_info", self.page().body)

    def test_without_the_library(self) -> None:
        """Where prometheus-client is missing, one sentence says what to install."""
        with mock.patch.dict(sys.modules, prometheus_client=None):
            error = self.assertRaises(
                ImportError, metrics_resource, self.presence.service
            )
        self.assertIn("pip install 'matrix-presence[metrics]'", str(error))
