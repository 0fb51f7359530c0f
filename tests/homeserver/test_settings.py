"""The configuration file of `serve`, and what follows from what it leaves open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.homeserver.settings import (
    ServeConfig,
    ServeOptions,
    describe,
    parse_options,
    read_yaml,
    settle,
)
from matrix_presence.options import ConfigError
from tests.base import TestCase

REGISTRATION = {
    "id": "bridge",
    "as_token": "secret",
    "sender_localpart": "_bridge",
    "namespaces": {"users": [{"regex": "@_bridge_.*", "exclusive": True}]},
}


class ParseTests(TestCase):
    """Reading the file."""

    def refusal(self, said: Any) -> str:
        """The sentence with which a file is refused."""
        return str(self.assertRaises(ConfigError, parse_options, said))

    def test_an_empty_file_has_the_defaults(self) -> None:
        """A file with nothing in it says nothing."""
        self.assertEqual(ServeOptions(), parse_options(None))

    def test_the_reference_reads_back_as_the_defaults(self) -> None:
        """What `matrix-presence config` prints is a file that changes nothing."""
        self.assertEqual(ServeOptions(), parse_options(yaml.safe_load(describe())))

    def test_the_presence_section_is_read(self) -> None:
        """Faults in it are named with the section."""
        self.assertEqual(9, parse_options({"presence": {"tick": 9}}).presence.tick)
        self.assertEqual(
            "presence.tick takes a duration such as 100ms, 30s, 5m, 1h, 1d or a number "
            "of milliseconds, not 'slow'",
            self.refusal({"presence": {"tick": "slow"}}),
        )

    def test_a_file_that_is_no_mapping_is_refused(self) -> None:
        """A list at the top is not a configuration."""
        self.assertIn("the configuration takes a section", self.refusal(["presence"]))

    def test_an_unknown_key_is_refused_by_name(self) -> None:
        """At the top too, with what was probably meant."""
        self.assertEqual(
            "the configuration has no option 'listeners'; did you mean 'listen'?",
            self.refusal({"listeners": []}),
        )

    def test_server_names(self) -> None:
        """Names and addresses, with a port or without, and nothing else."""
        for name in ("example.org", "localhost:8008", "10.0.0.1", "[::1]:8448"):
            self.assertEqual(name, parse_options({"server_name": name}).server_name)
        for wrong in ("", "not a name", "https://a.org", "a:b", "é.org", 5):
            self.assertIn("server_name takes", self.refusal({"server_name": wrong}))

    @given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.text())))
    def test_any_mapping_is_taken_or_refused(self, said) -> None:
        """A mapping of anything raises nothing but the one error."""
        try:
            parse_options(said)
        except ConfigError as error:
            self.assertNotIn("\n", str(error))


class SettleTests(TestCase):
    """What is left open follows from what was said."""

    def settled(self, **said: Any) -> ServeConfig:
        """The configuration after these options."""
        return settle(parse_options(said))

    def refusal(self, **said: Any) -> str:
        """The sentence with which these options are refused."""
        return str(self.assertRaises(ConfigError, self.settled, **said))

    def test_on_loopback_anybody_can_register(self) -> None:
        """Without options only this machine can connect, so registration is open."""
        config = self.settled()
        self.assertEqual(("tcp:8008:interface=127.0.0.1",), config.listen)
        self.assertEqual("localhost:8008", config.server_name)
        self.assertTrue(config.open_registration)

    def test_elsewhere_registration_is_closed(self) -> None:
        """One listener that others can reach closes registration."""
        listen = ["tcp:8008:interface=127.0.0.1", "tcp:8009"]
        self.assertFalse(self.settled(listen=listen).open_registration)

    def test_what_is_said_of_registration_goes_first(self) -> None:
        """It is open or closed if the file says so, wherever it listens."""
        open_ = self.settled(listen=["tcp:8008"], open_registration=True)
        self.assertTrue(open_.open_registration)
        self.assertFalse(self.settled(open_registration=False).open_registration)

    def test_the_server_name_follows_the_first_port(self) -> None:
        """localhost and the port that clients will use."""
        listen = ["unix:/run/socket", "tcp6:port=81", "tcp:82"]
        self.assertEqual("localhost:81", self.settled(listen=listen).server_name)
        self.assertEqual("localhost", self.settled(listen=listen[:1]).server_name)

    def test_the_database_is_in_the_data(self) -> None:
        """Unless it is elsewhere; the path is absolute, and quoted as URLs are."""
        url = self.settled(data="/srv/my presence").database
        self.assertEqual("sqlite:///srv/my%20presence/homeserver.db", url)
        url = self.settled(database="postgresql://localhost/presence").database
        self.assertEqual("postgresql://localhost/presence", url)

    def test_no_listener_is_refused(self) -> None:
        """A server that nobody can reach is a mistake."""
        self.assertIn("listen", self.refusal(listen=[]))

    def test_a_port_that_cannot_be_told_is_refused(self) -> None:
        """Port 0 is any port, and the server would have a name nobody can know."""
        for port in (0, 65536):
            self.assertIn(f"not {port}", self.refusal(listen=[f"tcp:{port}"]))

    def test_registrations_are_taken_from_files_or_inline(self) -> None:
        """An application service is the same wherever its registration stands."""
        path = Path(self.mktemp())
        path.write_text(yaml.safe_dump(REGISTRATION))
        config = self.settled(app_services=[str(path), REGISTRATION])
        from_file, inline = config.app_services
        self.assertEqual(from_file, inline)
        self.assertTrue(inline.owns("@_bridge_someone:example.org"))

    def test_a_registration_without_a_token_is_refused(self) -> None:
        """What no service could use is named."""
        sentence = self.refusal(app_services=[{"id": "bridge"}])
        self.assertIn("app_services: ", sentence)
        self.assertIn("as_token", sentence)

    def test_a_registration_that_is_not_there_is_refused(self) -> None:
        """A file that cannot be read is named."""
        self.assertIn("nowhere.yaml", self.refusal(app_services=["nowhere.yaml"]))


class ReadYamlTests(TestCase):
    """Files as they are found."""

    def refusal(self, content: bytes) -> str:
        """The sentence with which a file of this content is refused."""
        path = Path(self.mktemp())
        path.write_bytes(content)
        return str(self.assertRaises(ConfigError, read_yaml, path))

    def test_a_fault_is_named_with_its_line(self) -> None:
        """The line is counted as editors do."""
        self.assertIn("line 3", self.refusal(b"a: 1\nb: 2\nc: d: e\n"))

    def test_what_is_not_yaml_in_utf8_is_refused(self) -> None:
        """Bytes, characters, dates and depths that no YAML has."""
        for content in (b"\xff", b"a: \x00", b"a: 2024-13-45", b"[" * 5_000):
            self.assertNotIn("\n", self.refusal(content))

    def test_a_missing_file_is_refused(self) -> None:
        """A file that is not there, and a directory, are named."""
        for path in (Path("nowhere.yaml"), Path()):
            error = self.assertRaises(ConfigError, read_yaml, path)
            self.assertIn(f"cannot read '{path}'", str(error))
