"""The module in a Synapse that federates with another, which has none."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from contrib.bench.people import Caller, register
from contrib.bench.servers import Server, free_port
from contrib.bench.synapse_server import synapse_server
from tests.interop.test_synapse_module import (
    TIMES,
    Person,
    _hang_up,
    change,
    presence_is,
    sections,
)

__all__ = ["_hang_up"]


def certify(directory: Path) -> dict[str, str]:
    """A certificate that nobody has signed; the sections that name it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (directory / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            pem,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return {
        "tls_certificate_path": str(directory / "certificate.pem"),
        "tls_private_key_path": str(directory / "key.pem"),
    }


def federating(
    directory: Path,
    config: Mapping[str, Any] | None,
    times: Mapping[str, str] = TIMES,
) -> Server:
    """A Synapse that speaks to others on loopback, with the module or without."""
    directory.mkdir()
    port = free_port()
    listener = {"bind_addresses": ["127.0.0.1"], "type": "http"}
    server = synapse_server(directory)
    changes = {
        **sections(config, times),
        **certify(directory),
        "server_name": f"localhost:{port}",
        "listeners": [
            {**listener, "port": server.port, "resources": [{"names": ["client"]}]},
            {
                **listener,
                "port": port,
                "tls": True,
                "resources": [{"names": ["federation"]}],
            },
        ],
        "federation_domain_whitelist": None,
        "federation_verify_certificates": False,
        "ip_range_blacklist": [],
    }
    change(server, changes)
    return server


@contextmanager
def started(*servers: Server) -> Iterator[None]:
    """All of them, started beside one another, with nothing to complain about."""
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
            server.launch()
        for server in servers:
            server.await_answer()
        yield
    for server in servers:
        log = (server.directory / "homeserver.log").read_text()
        assert "Traceback" not in log, log[-8000:]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Person, Person]]:
    """Alice, whose server has the module, and Dave on another, in one room."""
    directory = tmp_path_factory.mktemp("federation")
    ours = federating(directory / "ours", {"destination_window": "100ms"})
    stock = federating(directory / "stock", None)
    with started(ours, stock):
        found = []
        for server, name in ((ours, "alice"), (stock, "dave")):
            caller = Caller(server.port)
            found.append(Person(server, register(caller, name)))
            caller.close()
        alice, dave = found
        room = alice.ask("POST", "v3/createRoom", {"preset": "public_chat"})[1]
        path = f"v3/join/{quote(room['room_id'], safe='')}"
        via = alice.user_id.partition(":")[2]
        status, answer = dave.ask("POST", f"{path}?server_name={via}", {})
        assert status == 200, (answer, ours.log, stock.log)
        for person in found:
            person.sync(set_presence="offline")
        yield alice, dave
        for person in found:
            person.caller.close()


def test_status_is_seen_on_the_other_server(pair: tuple[Person, Person]) -> None:
    """From ours to stock and from stock to ours."""
    for one, other in (pair, pair[::-1]):
        one.put("unavailable", "at lunch")
        other.sees(one, presence_is("unavailable", "at lunch"))
        one.put("online", "back")
        other.sees(one, presence_is("online", "back"))
        assert other.status(one)["status_msg"] == "back"


def test_going_offline_is_seen_on_the_other_server(
    pair: tuple[Person, Person],
) -> None:
    """Some time after the last poll on the server with the module."""
    alice, dave = pair
    alice.put("online", "bye")
    dave.sees(alice, presence_is("online", "bye"))
    alice.sync()
    dave.sees(alice, presence_is("offline", "bye"))
