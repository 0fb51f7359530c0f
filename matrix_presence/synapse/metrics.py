"""Our own metrics among Synapse's: on its metrics listener, under our prefix.

One collector serves all homeservers of a process, told apart by their names, for two
with the same names of metrics would be refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakValueDictionary

from prometheus_client import REGISTRY, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from synapse.metrics import SERVER_NAME_LABEL

from matrix_presence.synapse.parts import Parts
from matrix_presence.web.metrics import COUNTERS, GAUGES, PREFIX, users_by_presence

_LABELS = (SERVER_NAME_LABEL,)


class _Collector(Collector):
    """Reads everything when asked."""

    def __init__(self) -> None:
        self.is_registered = False
        #: By name of the homeserver; gone when that is.
        self.parts: WeakValueDictionary[str, Parts] = WeakValueDictionary()

    def describe(self) -> Iterator[Metric]:
        """The names that are taken, whether or not there is anything yet."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        servers = list(self.parts.items())
        users = GaugeMetricFamily(
            f"{PREFIX}users",
            "Users known, by their presence.",
            labels=("presence", *_LABELS),
        )
        for server_name, parts in servers:
            for presence, number in users_by_presence(parts.cache).items():
                users.add_metric((presence, server_name), number)
        yield users
        for name, meaning, read in GAUGES:
            gauge = GaugeMetricFamily(PREFIX + name, meaning, labels=_LABELS)
            for server_name, parts in servers:
                gauge.add_metric((server_name,), read(parts))
            yield gauge
        for name, meaning, read in COUNTERS:
            counter = CounterMetricFamily(PREFIX + name, meaning, labels=_LABELS)
            for server_name, parts in servers:
                counter.add_metric((server_name,), read(parts))
            yield counter


_collector = _Collector()


def measure(server_name: str, parts: Parts) -> None:
    """Show the metrics of this homeserver from now on."""
    if not _collector.is_registered:
        REGISTRY.register(_collector)
        _collector.is_registered = True
    _collector.parts[server_name] = parts
