"""Answers on their way out: the same headers on all of them, JSON in each.

Works on any `twisted.web` request, quickest on those of a `MatrixSite`.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.web import http
from twisted.web.server import Request

from matrix_presence.errors import MatrixError
from matrix_presence.web.encoding import encoded
from matrix_presence.web.request import CORS_HEADERS, JSON_TYPE, MatrixRequest

_NO_HEADERS: Mapping[str, str] = {}


def send(
    request: Request,
    status: int,
    body: bytes,
    headers: Mapping[str, str] = _NO_HEADERS,
) -> None:
    """Send this JSON as the whole answer.

    Args:
        headers: more of them, beside those that every answer has (A-8).
    """
    if not headers and isinstance(request, MatrixRequest):
        if request.finish_with(status, body):
            return
    _set_headers(request, status, headers)
    request.setHeader(*JSON_TYPE)
    request.setHeader(b"Content-Length", b"%d" % len(body))
    request.write(body)
    request.finish()


def send_refusal(request: Request, refusal: MatrixError) -> None:
    """Send the refusal as Matrix words it."""
    send(request, refusal.status, encoded(refusal.body()), refusal.headers())


def send_preflight(request: Request) -> None:
    """Tell a browser that it may ask, whatever the path and without a token (A-8)."""
    _set_headers(request, http.NO_CONTENT, _NO_HEADERS)
    request.finish()


def _set_headers(request: Request, status: int, headers: Mapping[str, str]) -> None:
    request.setResponseCode(status)
    for name, value in CORS_HEADERS:
        request.setHeader(name, value)
    for key, text in headers.items():
        request.setHeader(key, text)
