"""What `matrix-presence serve` prints once it can be used."""

from __future__ import annotations

from urllib.parse import quote

from matrix_presence.homeserver.addresses import address_of
from matrix_presence.homeserver.settings import ServeConfig


def greeting(config: ServeConfig) -> str:
    """One line that says where the server is, and what to try next."""
    urls = [address_of(endpoint).url for endpoint in config.listen]
    url = next(filter(None, urls), None)
    name = config.server_name
    ready = f"matrix-presence is ready: {url or config.listen[0]} (server name {name})"
    if url is None:
        return ready
    if not config.open_registration:
        return f"{ready}\nNew accounts need --open-registration; others can log in."
    client = f"{url}/_matrix/client/v3"
    status = f"{client}/presence/{quote(f'@alice:{name}', safe='@:')}/status"
    return f"""{ready}
Log in with a Matrix client of your choice, or try:
  curl -X POST {client}/register \\
    -d '{{"auth": {{"type": "m.login.dummy"}},
         "username": "alice", "password": "wonderland"}}'
  curl -X PUT {status} \\
    -H 'Authorization: Bearer ACCESS_TOKEN' \\
    -d '{{"presence": "online", "status_msg": "Down the rabbit hole"}}'"""
