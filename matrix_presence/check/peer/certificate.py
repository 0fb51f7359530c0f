"""A TLS certificate for one run: made fresh, signed by itself, never on disk."""

from __future__ import annotations

import datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.ssl import CertificateOptions, PrivateCertificate

#: Clocks differ, and runs are short.
_DAY = datetime.timedelta(days=1)


def self_signed(host: str, now: datetime.datetime) -> CertificateOptions:
    """What a TLS listener needs to say that it is this host.

    Args:
        host: a name, or an IP address without brackets.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    # Names here may be too long for what a common name holds.
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.SubjectAlternativeName([_name(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    options: CertificateOptions = PrivateCertificate.loadPEM(pem).options()
    return options


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
