"""Servers as processes that talk to each other over TLS on loopback."""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_twisted
from signedjson.key import read_signing_keys
from twisted.internet import reactor

from contrib.bench.servers import Server, free_port, presence_server
from contrib.bench.synapse_server import synapse_installed, synapse_server
from matrix_presence.federation.client import Refused, Unreachable
from matrix_presence.homeserver.federation_side import federation_side
from matrix_presence.homeserver.server_keys import StoredKeys
from matrix_presence.homeserver.settings import parse_options, settle
from matrix_presence.homeserver.signing_keys import signing_keys
from matrix_presence.storage.database import Database
from matrix_presence.wire.canonical import canonical
from matrix_presence.wire.server_keys import SERVER_PATH, read_server_keys
from matrix_presence.wire.x_matrix import sign_request
from tests.interop.certificates import make_certificates

needs_synapse = pytest.mark.skipif(
    not synapse_installed(), reason="Synapse is not installed"
)


@attrs.frozen
class Peer:
    """A server that can be asked over TLS."""

    name: str
    process: Server
    directory: Path

    def ask(
        self, method: str, path: str, body: bytes | None = None, signature: str = ""
    ) -> tuple[int, Any]:
        """Status and JSON of the answer."""
        host, _, port = self.name.rpartition(":")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            host, int(port), timeout=60, context=context
        )
        headers = {"Authorization": signature} if signature else {}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def ask_as(
        self, origin: Peer, method: str, path: str, content: Any = None
    ) -> tuple[int, Any]:
        """The same, signed with the key of another server."""
        with (origin.directory / "data" / "signing.key").open() as file:
            key = read_signing_keys(file)[0]
        body = None if content is None else canonical(content)
        said = sign_request(method, path, origin.name, self.name, key, body)
        return self.ask(method, path, body, said.header().decode())


@contextmanager
def ours(
    directory: Path,
    certificate: Path,
    *options: str,
    host: str = "localhost",
    presence: dict[str, Any] | None = None,
) -> Iterator[Peer]:
    """One of our servers, on TLS too."""
    directory.mkdir()
    port = free_port()
    listen = f"ssl:{port}:privateKey={certificate}:certKey={certificate}"
    process = presence_server(
        directory,
        presence,
        *("--listen", f"{listen}:interface=127.0.0.1"),
        *("--server-name", f"{host}:{port}", "--no-rate-limit", *options),
    )
    with process:
        yield Peer(f"{host}:{port}", process, directory)
    assert "Traceback" not in process.log, process.log[-8000:]


@contextmanager
def synapse(directory: Path, certificate: Path) -> Iterator[Peer]:
    """A real Synapse, which does not look at certificates."""
    directory.mkdir()
    plain, port = free_port(), free_port()
    resources = [{"names": ["client", "federation"], "compress": False}]
    listener = {"bind_addresses": ["127.0.0.1"], "type": "http", "resources": resources}
    process = synapse_server(
        directory,
        {
            "server_name": f"localhost:{port}",
            "listeners": [
                {**listener, "port": plain, "tls": False},
                {**listener, "port": port, "tls": True},
            ],
            "tls_certificate_path": str(certificate),
            "tls_private_key_path": str(certificate),
            "federation_verify_certificates": False,
            "federation_domain_whitelist": None,
            "ip_range_blacklist": [],
        },
    )
    process.port = plain
    with process:
        yield Peer(f"localhost:{port}", process, directory)


def test_two_of_ours_know_each_other(tmp_path: Path) -> None:
    """By name and by address, over verified TLS (C-40, C-60, C-70, C-71)."""
    ca, certificate = make_certificates(tmp_path)
    trust = ("--federation-ca", str(ca))
    with (
        ours(tmp_path / "one", certificate, *trust) as one,
        ours(tmp_path / "two", certificate, *trust, host="127.0.0.1") as two,
    ):
        status, answer = one.ask("GET", f"/_matrix/key/v2/query/{two.name}")
        assert status == 200
        (document,) = answer["server_keys"]
        read_server_keys(document, two.name, int(time.time() * 1000))
        assert set(document["signatures"]) == {one.name, two.name}
        path = "/_matrix/federation/v1/send/1"
        content = {"edus": [], "pdus": [], "origin": one.name, "origin_server_ts": 1}
        assert two.ask_as(one, "PUT", path, content) == (200, {"pdus": {}})
        path = "/_matrix/federation/v1/send/2"
        status, refusal = two.ask_as(one, "PUT", path, {"pdus": [1] * 51})
        assert (status, refusal["errcode"]) == (400, "M_BAD_JSON")


def test_a_server_with_a_certificate_of_nobody_is_not_believed(tmp_path: Path) -> None:
    """Nor one whose certificate is for another name; a laboratory takes it (C-71)."""
    ca, certificate = make_certificates(tmp_path)
    (tmp_path / "wrong").mkdir()
    _, wrong = make_certificates(tmp_path / "wrong")
    (tmp_path / "name").mkdir()
    other_ca, misnamed = make_certificates(tmp_path / "name", "elsewhere")
    both = tmp_path / "both.pem"
    both.write_bytes(ca.read_bytes() + other_ca.read_bytes())
    with (
        ours(tmp_path / "one", certificate, "--federation-ca", str(both)) as one,
        ours(tmp_path / "lab", certificate, "--federation-insecure") as lab,
        ours(tmp_path / "two", wrong, "--federation-insecure") as two,
        ours(tmp_path / "three", misnamed, "--federation-insecure") as three,
    ):
        for peer in (two, three):
            path = f"/_matrix/key/v2/query/{peer.name}"
            assert one.ask("GET", path) == (200, {"server_keys": []})
            assert len(lab.ask("GET", path)[1]["server_keys"]) == 1


@needs_synapse
def test_synapse_and_ours_know_each_other(tmp_path: Path) -> None:
    """Each believes the keys and signatures of the other (C-50, C-60, C-63)."""
    _, certificate = make_certificates(tmp_path)
    with (
        synapse(tmp_path / "synapse", certificate) as theirs,
        ours(tmp_path / "ours", certificate, "--federation-insecure") as one,
    ):
        status, document = theirs.ask("GET", SERVER_PATH)
        assert status == 200
        read_server_keys(document, theirs.name, int(time.time() * 1000))
        # Our server fetches the keys of Synapse.
        status, answer = one.ask("GET", f"/_matrix/key/v2/query/{theirs.name}")
        assert [each["server_name"] for each in answer["server_keys"]] == [theirs.name]
        # Synapse fetches ours, to check what we signed.
        path = "/_matrix/federation/v1/send/1"
        content = {"edus": [], "pdus": [], "origin": one.name, "origin_server_ts": 1}
        assert theirs.ask_as(one, "PUT", path, content) == (200, {"pdus": {}})
        version = theirs.ask_as(one, "GET", "/_matrix/federation/v1/version")
        assert version[1]["server"]["name"] == "Synapse"
        # And the other way round.
        keys = theirs.directory / "data"
        keys.mkdir()
        shutil.copy(theirs.directory / "signing.key", keys)
        assert one.ask_as(theirs, "PUT", path, content) == (200, {"pdus": {}})
        status, refusal = one.ask("PUT", path, b"{}")
        assert (status, refusal["errcode"]) == (401, "M_UNAUTHORIZED")


@needs_synapse
@pytest_twisted.ensureDeferred
async def test_synapse_takes_our_transactions(tmp_path: Path) -> None:
    """All of them on one connection that stays open (C-40, C-42, C-51)."""
    _, certificate = make_certificates(tmp_path)
    entry = {"user_id": "@a:here", "presence": "online", "last_active_ago": 1}
    edus = [{"edu_type": "m.presence", "content": {"push": [entry]}}]
    with (
        synapse(tmp_path / "synapse", certificate) as theirs,
        ours(tmp_path / "ours", certificate, "--federation-insecure") as one,
    ):
        data = one.directory / "data"
        options = {
            "server_name": one.name,
            "data": str(data),
            "federation_insecure": True,
        }
        keys = signing_keys(data / "signing.key")
        store = StoredKeys(Database.immediate())
        side = federation_side(reactor, settle(parse_options(options)), keys, store)
        assert side is not None
        for _ in range(5):
            await side.link.send(theirs.name, edus)
        path = "/_matrix/federation/v1/version"
        answer = await side.client.get(theirs.name, path)
        assert answer["server"]["name"] == "Synapse"
        with pytest.raises(Refused):
            await side.client.get(theirs.name, "/_matrix/federation/v1/nothing")
        with pytest.raises(Unreachable):
            await side.client.get("localhost:1", path)
        await side.stop()
