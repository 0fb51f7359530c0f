"""What another server has to prove before it is told anything (C-71)."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from OpenSSL.SSL import Connection
from twisted.internet._sslverify import ClientTLSOptions
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    platformTrust,
    trustRootFromCertificates,
)
from zope.interface import implementer

TlsFor = Callable[[str], IOpenSSLClientConnectionCreator]
"""TLS to a host whose certificate is for this name or IP address."""

_BEGIN = b"-----BEGIN CERTIFICATE-----"


def verified_tls(ca_file: Path | None = None) -> TlsFor:
    """TLS to hosts that are who they should be.

    Args:
        ca_file: certificates (PEM) that are trusted instead of those of the system.

    Raises:
        OSError: the file cannot be read.
        ValueError: there is no certificate in it, or one that is none.
    """
    trust = platformTrust() if ca_file is None else _trust_in(ca_file)
    options = CertificateOptions(trustRoot=trust)
    # What `optionsForClientTLS` does, but for the options: those it makes anew for each
    # connection, and each time reads all certificates of the system (9 ms).
    return lambda certified: ClientTLSOptions(options._makeTLSConnection, certified)


def unverified_tls() -> TlsFor:
    """TLS to whoever answers, for laboratories."""
    options = CertificateOptions()
    return lambda certified: _Unverified(options, certified)


def _trust_in(ca_file: Path) -> Any:
    _, *rest = ca_file.read_bytes().split(_BEGIN)
    if not rest:
        raise ValueError(f"{str(ca_file)!r} holds no certificate")
    try:
        return trustRootFromCertificates(
            [Certificate.loadPEM(_BEGIN + part) for part in rest]
        )
    except Exception as reason:  # OpenSSL's own.
        raise ValueError(f"{str(ca_file)!r} holds a broken certificate") from reason


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """Says for whom it is, and takes whatever certificate comes."""

    def __init__(self, options: CertificateOptions, certified: str) -> None:
        self._options = options
        self._certified = certified

    def clientConnectionForTLS(self, tlsProtocol: Any) -> Connection:
        """A connection that is not verified."""
        connection = Connection(self._options.getContext(), None)
        try:
            ip_address(self._certified)
        except ValueError:
            connection.set_tlsext_host_name(self._certified.encode("ascii"))
        return connection
