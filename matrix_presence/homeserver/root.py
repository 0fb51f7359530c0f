"""The root of the resource tree: `/metrics` beside everything else."""

from __future__ import annotations

from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from matrix_presence.service import PresenceService
from matrix_presence.web.metrics import metrics_resource
from matrix_presence.web.routes import Router


class Root(Resource):
    """Hands every request to the router, and that for metrics to Prometheus' page.

    Without `prometheus-client` (extra `metrics`) there are none.
    """

    def __init__(self, router: Router, presence: PresenceService) -> None:
        super().__init__()
        self._router = router
        try:
            self._metrics: Resource | None = metrics_resource(presence)
        except ImportError:
            self._metrics = None

    def getChildWithDefault(self, path: bytes, request: Request) -> IResource:
        """The router, which is to see the whole path."""
        if path == b"metrics" and self._metrics is not None and not request.postpath:
            return self._metrics
        # Twisted types them as perhaps None, which they never are here.
        assert request.postpath is not None and request.prepath is not None
        request.postpath.insert(0, request.prepath.pop())
        return self._router
