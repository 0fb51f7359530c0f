"""`/metrics` for Prometheus: how much presence there is, and how much it does.

Everything is read at the moment of a scrape from what the parts know anyway, so an
event costs nothing more for being measured. Who may scrape is up to the host: mount it
where only its monitoring comes.

    root.putChild(b"metrics", metrics_resource(presence))

Needs `prometheus-client`, which the extra `metrics` installs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from twisted.web.resource import Resource
from twisted.web.server import Request

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.cache.users import SHOWN_ACTIVE
from matrix_presence.persistence import Persistence
from matrix_presence.rules.states import NAMES, Presence
from matrix_presence.ticks import Ticks
from matrix_presence.waiting import Waiting

if TYPE_CHECKING:
    from prometheus_client import Metric

PREFIX = "matrix_presence_"


class Parts(Protocol):
    """The parts that are measured, as a `PresenceService` has them."""

    @property
    def cache(self) -> PresenceCache: ...

    @property
    def waiting(self) -> Waiting: ...

    @property
    def ticks(self) -> Ticks: ...

    @property
    def persistence(self) -> Persistence: ...


Read = Callable[[Parts], int]

#: What goes up and down.
GAUGES: tuple[tuple[str, str, Read], ...] = (
    (
        "devices",
        "Devices that are connected, or whose wish to be hidden is kept.",
        lambda parts: parts.cache.devices.count,
    ),
    (
        "rooms",
        "Rooms whose members are known.",
        lambda parts: len(parts.cache.rooms),
    ),
    (
        "wheel_entries",
        "Entries in the timing wheel, each a user to be looked at when due.",
        lambda parts: len(parts.cache.wheel),
    ),
    (
        "waiting_clients",
        "Long polls that wait for presence.",
        lambda parts: len(parts.waiting),
    ),
    (
        "stream_position",
        "Position of the last tick in the stream of presence.",
        lambda parts: parts.cache.position,
    ),
)

#: What only grows. Prometheus adds `_total` to the names.
COUNTERS: tuple[tuple[str, str, Read], ...] = (
    (
        "wakeups",
        "Long polls that returned because of presence.",
        lambda parts: parts.waiting.woken,
    ),
    (
        "ticks",
        "Ticks, each of which shows all changes since the one before it.",
        lambda parts: parts.ticks.count,
    ),
    (
        "changes_shown",
        "Changes of users shown by ticks.",
        lambda parts: parts.ticks.shown,
    ),
    (
        "rows_written",
        "Rows of users given to the store.",
        lambda parts: parts.persistence.rows,
    ),
    (
        "batches_written",
        "Batches of rows committed by the store.",
        lambda parts: parts.persistence.batches,
    ),
)


def users_by_presence(cache: PresenceCache) -> dict[str, int]:
    """How many of all known users are in each state, by its name.

    A million users take a few milliseconds: the column is read twice for each of the
    rarer states, and the common two follow from what is counted already.
    """
    column = cache.users.flags
    counts = {
        state: column.count(state) + column.count(state | SHOWN_ACTIVE)
        for state in (Presence.UNAVAILABLE, Presence.FREE_FOR_CHAT, Presence.BUSY)
    }
    present = len(cache.present)
    counts[Presence.ONLINE] = present - sum(counts.values())
    counts[Presence.OFFLINE] = len(cache.users) - present
    return {NAMES[state]: counts[state] for state in Presence}


def metrics_resource(parts: Parts) -> Resource:
    """The resource that answers a scrape.

    Args:
        parts: a `PresenceService`.

    Raises:
        ImportError: `prometheus-client` is not installed.
    """
    try:
        import prometheus_client
    except ImportError:
        raise ImportError(
            "Metrics need the package prometheus-client; "
            "pip install 'matrix-presence[metrics]' brings it",
            name="prometheus_client",
        ) from None
    # Of its own: the default registry belongs to the host and tells of its process.
    registry = prometheus_client.CollectorRegistry()
    registry.register(_Collector(parts))
    return _Page(
        lambda: prometheus_client.generate_latest(registry),
        prometheus_client.CONTENT_TYPE_LATEST,
    )


class _Collector:
    """Reads all metrics when asked."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        users = GaugeMetricFamily(
            f"{PREFIX}users", "Users known, by their presence.", labels=["presence"]
        )
        for name, count in users_by_presence(self._parts.cache).items():
            users.add_metric([name], count)
        yield users
        for name, meaning, read in GAUGES:
            yield GaugeMetricFamily(PREFIX + name, meaning, read(self._parts))
        for name, meaning, read in COUNTERS:
            yield CounterMetricFamily(PREFIX + name, meaning, read(self._parts))


class _Page(Resource):
    """Text that is generated for each request."""

    isLeaf = True

    def __init__(self, generate: Callable[[], bytes], content_type: str) -> None:
        super().__init__()
        self._generate = generate
        self._content_type = content_type

    def render_GET(self, request: Request) -> bytes:
        """The text as it is now."""
        request.setHeader("Content-Type", self._content_type)
        return self._generate()
