"""A real Synapse as a process on loopback, to measure beside.

It federates with nobody, keeps its data in SQLite, has presence on and its rate limits
out of the way; everything else is as Synapse ships it.
"""

from __future__ import annotations

import importlib.util
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from signedjson.key import generate_signing_key, write_signing_keys

from contrib.bench.servers import Server, free_port

_UNLIMITED = {"per_second": 1e6, "burst_count": 1_000_000}


def synapse_installed() -> bool:
    """Whether this Python can start a Synapse."""
    return importlib.util.find_spec("synapse") is not None


def synapse_server(directory: Path, changes: Mapping[str, Any] | None = None) -> Server:
    """A Synapse with its data in `directory`, not started yet.

    Args:
        changes: sections of its configuration that are to be different.
    """
    port = free_port()
    with open(directory / "signing.key", "w") as keys:
        write_signing_keys(keys, [generate_signing_key("bench")])
    log_config = directory / "log.yaml"
    log_config.write_text(yaml.safe_dump(_log_config(directory)))
    config = directory / "homeserver.yaml"
    sections = {**_config(directory, port, log_config), **(changes or {})}
    config.write_text(yaml.safe_dump(sections))
    argv = [sys.executable, "-m", "synapse.app.homeserver", "-c", str(config)]
    return Server(argv, port, directory)


def _config(directory: Path, port: int, log_config: Path) -> dict[str, Any]:
    return {
        "server_name": f"localhost:{port}",
        "report_stats": False,
        "pid_file": str(directory / "homeserver.pid"),
        "log_config": str(log_config),
        "media_store_path": str(directory / "media"),
        "signing_key_path": str(directory / "signing.key"),
        "macaroon_secret_key": secrets.token_hex(),
        "form_secret": secrets.token_hex(),
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "federation_domain_whitelist": [],
        "database": {
            "name": "sqlite3",
            "args": {"database": str(directory / "homeserver.db")},
        },
        "listeners": [
            {
                "port": port,
                "bind_addresses": ["127.0.0.1"],
                "type": "http",
                "tls": False,
                "resources": [{"names": ["client"], "compress": False}],
            }
        ],
        "presence": {"enabled": True},
        "enable_registration": True,
        "enable_registration_without_verification": True,
        # The least bcrypt allows: registering is not what is measured.
        "bcrypt_rounds": 4,
        **_rate_limits(),
    }


def _rate_limits() -> dict[str, Any]:
    return {
        "rc_message": _UNLIMITED,
        "rc_registration": _UNLIMITED,
        "rc_room_creation": _UNLIMITED,
        "rc_joins": {"local": _UNLIMITED, "remote": _UNLIMITED},
        "rc_joins_per_room": _UNLIMITED,
        "rc_login": {
            "address": _UNLIMITED,
            "account": _UNLIMITED,
            "failed_attempts": _UNLIMITED,
        },
        "rc_invites": {
            "per_room": _UNLIMITED,
            "per_user": _UNLIMITED,
            "per_issuer": _UNLIMITED,
        },
        "rc_presence": {"per_user": _UNLIMITED},
    }


def _log_config(directory: Path) -> dict[str, Any]:
    return {
        "version": 1,
        "formatters": {"plain": {"format": "%(asctime)s %(name)s %(message)s"}},
        "handlers": {
            "file": {
                "class": "logging.FileHandler",
                "formatter": "plain",
                "filename": str(directory / "homeserver.log"),
            }
        },
        "root": {"level": "WARNING", "handlers": ["file"]},
        "disable_existing_loggers": False,
    }
