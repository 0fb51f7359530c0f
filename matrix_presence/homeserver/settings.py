"""The configuration of `matrix-presence serve`: what was said, and what follows.

`ServeOptions` is what a file and a command line can say. `settle` turns it into a
`ServeConfig`, in which nothing is left open; the rest of the package sees only that.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs
import yaml

from matrix_presence.config import PresenceConfig
from matrix_presence.homeserver.addresses import address_of
from matrix_presence.homeserver.appservices import AppService, parse_registration
from matrix_presence.kinds import SWITCH, optional, several, text
from matrix_presence.options import (
    ConfigError,
    Kind,
    Unfit,
    describe_section,
    option,
    parse_section,
    section,
)

Registration = dict[str, Any]
"""An application service as its registration file describes it, not yet checked."""


def _read_registration(written: object) -> str | Registration:
    if isinstance(written, dict) or (isinstance(written, str) and written):
        return written
    raise Unfit(written)


#: The grammar of a server name, leniently: a name or an address, perhaps a port.
_SERVER_NAME = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+)(:[0-9]{1,5})?")
_SERVER = text("a server name such as 'example.org'", "name", _SERVER_NAME.fullmatch)
_SERVER_GLOB = re.compile(r"[0-9A-Za-z.*?:\[\]-]{1,255}")
_SERVER_GLOBS = several(
    text("", "name", _SERVER_GLOB.fullmatch),
    "a list of servers such as ['example.org', '*.example.org']",
)
_PATH = text("", "path", bool)
_DIRECTORY = Kind(
    "the path of a directory",
    lambda written: Path(_PATH.read(written)),
    lambda path: _PATH.show(str(path)),
    "path",
)
_FILE = Kind("the path of a file", _DIRECTORY.read, _DIRECTORY.show, "path")
_DATABASE = text("a URL such as 'sqlite:///var/lib/presence.db'", "URL", bool)
_LISTEN = several(
    text("", "endpoint", bool),
    "a list of endpoints such as ['tcp:8008:interface=127.0.0.1']",
)
_REGISTRATIONS = several(
    Kind("", _read_registration, json.dumps, "file or registration"),
    "a list of registration files, or of registrations",
)


@attrs.frozen
class ServeOptions:
    """A configuration file; None where nothing was said."""

    server_name: str | None = option(
        optional(_SERVER),
        None,
        "The name in the ids of users and rooms. Unless it is given, localhost and "
        "the port of the first listener.",
    )
    data: Path = option(
        _DIRECTORY, "matrix-presence-data", "Where the database and the keys are."
    )
    database: str | None = option(
        optional(_DATABASE),
        None,
        "Where everything is stored: sqlite:///absolute/path, sqlite:relative/path or "
        "postgresql://user:password@host/name. Unless it is given, a SQLite file in "
        "data.",
    )
    listen: tuple[str, ...] = option(
        _LISTEN,
        ["tcp:8008:interface=127.0.0.1"],
        "Where to listen, as Twisted writes endpoints.",
    )
    open_registration: bool | None = option(
        optional(SWITCH),
        None,
        "Whether anybody can make an account. Unless it is said, they can if all "
        "listeners are on loopback.",
    )
    rate_limit: bool = option(SWITCH, True, "Whether clients are limited at all.")
    app_services: tuple[str | Registration, ...] = option(
        _REGISTRATIONS, (), "Application services that may act on this server."
    )
    federation: bool | None = option(
        optional(SWITCH),
        None,
        "Whether other servers are talked to. Unless it is said, they are if "
        "federation_ca or federation_insecure is.",
    )
    federation_ca: Path | None = option(
        optional(_FILE),
        None,
        "A file of certificates (PEM) that other servers are trusted by, instead of "
        "those of the system.",
    )
    federation_insecure: bool = option(
        SWITCH,
        False,
        "Whether other servers are taken for whom they say they are, for laboratories: "
        "all listeners have to be on loopback.",
    )
    federation_private_addresses: bool | None = option(
        optional(SWITCH),
        None,
        "Whether servers at addresses that are not public are connected to. Unless it "
        "is said, they are if all listeners are on loopback.",
    )
    federation_domain_whitelist: tuple[str, ...] | None = option(
        optional(_SERVER_GLOBS),
        None,
        "The only servers that are talked to and heard, * and ? being wildcards. "
        "Unless it is given, all are.",
    )
    federation_domain_blacklist: tuple[str, ...] = option(
        _SERVER_GLOBS,
        (),
        "Servers that are neither talked to nor heard, even those on the other list.",
    )
    key_servers: tuple[str, ...] = option(
        several(_SERVER, "a list of servers such as ['matrix.org']"),
        (),
        "Servers that are asked for the keys of others who do not answer.",
    )
    presence: PresenceConfig = section(
        PresenceConfig, "Everything about presence itself."
    )


@attrs.frozen
class FederationConfig:
    """How other servers are talked to."""

    #: None for the certificates of the system.
    ca: Path | None = None
    #: Whether certificates are not looked at.
    insecure: bool = False
    #: Whether addresses that are not public are connected to.
    private_addresses: bool = False
    key_servers: tuple[str, ...] = ()
    #: Globs of the only servers there are; None for all.
    whitelist: tuple[str, ...] | None = None
    #: Globs of servers that there are not.
    blacklist: tuple[str, ...] = ()


@attrs.frozen
class ServeConfig:
    """What the embedded homeserver does, with nothing left open."""

    server_name: str
    #: A directory that need not exist yet.
    data: Path
    database: str
    listen: tuple[str, ...]
    open_registration: bool
    rate_limit: bool
    app_services: tuple[AppService, ...]
    presence: PresenceConfig
    #: None for a server on its own.
    federation: FederationConfig | None = None


def read_yaml(path: Path) -> object:
    """What a YAML file says.

    Raises:
        ConfigError: it cannot be read, or is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {str(path)!r}: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{str(path)!r}{line}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        # Bytes that are no UTF-8, characters and dates that do not exist.
        raise ConfigError(f"{str(path)!r} is not YAML in UTF-8") from None


def parse_options(said: object) -> ServeOptions:
    """A configuration file as YAML has parsed it, perhaps with more said over it.

    Raises:
        ConfigError: with one sentence that names the key and the value.
    """
    return parse_section(ServeOptions, said, "")


def settle(options: ServeOptions) -> ServeConfig:
    """Decide what was left open; reads the registration files that are named.

    Raises:
        ConfigError: a listener or an application service cannot be used.
    """
    if not options.listen:
        raise ConfigError("listen names no endpoint, so nobody could connect")
    addresses = [address_of(endpoint) for endpoint in options.listen]
    ports = [address.port for address in addresses if address.port is not None]
    for port in ports:
        if not 0 < port < 65536:
            raise ConfigError(f"listen takes ports from 1 to 65535, not {port}")
    server_name = options.server_name
    if server_name is None:
        server_name = f"localhost:{ports[0]}" if ports else "localhost"
    database = options.database
    if database is None:
        file = options.data.absolute() / "homeserver.db"
        database = "sqlite" + file.as_uri().removeprefix("file")
    is_local = all(address.is_loopback for address in addresses)
    open_registration = options.open_registration
    if open_registration is None:
        open_registration = is_local
    return ServeConfig(
        server_name=server_name,
        data=options.data,
        database=database,
        listen=options.listen,
        open_registration=open_registration,
        rate_limit=options.rate_limit,
        app_services=tuple(map(_app_service, options.app_services)),
        presence=options.presence,
        federation=_federation(options, is_local),
    )


def _federation(options: ServeOptions, is_local: bool) -> FederationConfig | None:
    """How other servers are talked to; None if they are not.

    Raises:
        ConfigError: everybody could be anybody, and the network is in reach.
    """
    insecure, ca = options.federation_insecure, options.federation_ca
    if insecure and not is_local:
        raise ConfigError("federation_insecure needs all listeners on loopback")
    wanted = options.federation
    if wanted is None:
        wanted = insecure or ca is not None
    if not wanted:
        return None
    private_addresses = options.federation_private_addresses
    if private_addresses is None:
        private_addresses = is_local
    return FederationConfig(
        ca,
        insecure,
        private_addresses,
        options.key_servers,
        options.federation_domain_whitelist,
        options.federation_domain_blacklist,
    )


def describe() -> str:
    """A configuration file with every option at its default, explained."""
    return "\n".join(describe_section(ServeOptions())) + "\n"


def _app_service(written: str | Registration) -> AppService:
    name = "app_services"
    if isinstance(written, str):
        name = written
        found = read_yaml(Path(written))
        if not isinstance(found, dict):
            raise ConfigError(f"{name}: a registration is a section of options")
        written = found
    try:
        return parse_registration(written)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None
