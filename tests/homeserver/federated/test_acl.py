"""Server ACLs: who is allowed (C-13)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.homeserver.federated.acl import allows
from tests.base import TestCase

ALL = {"allow": ["*"]}
names = st.text("ab.-", min_size=1, max_size=8)
globs = st.text("ab.*?", max_size=8)
nonsense = st.none() | st.booleans() | st.integers() | st.lists(st.integers())


class AclTests(TestCase):
    """What the content of `m.room.server_acl` allows."""

    @given(names, st.lists(globs, max_size=4), st.lists(globs, max_size=4))
    def test_who_is_denied_is_not_allowed(
        self, name: str, allow: list[str], deny: list[str]
    ) -> None:
        """And who is neither is not, either: the patterns are those of a shell."""
        allowed = any(fnmatchcase(name, glob) for glob in allow)
        denied = any(fnmatchcase(name, glob) for glob in deny)
        content = {"allow": allow, "deny": deny}
        self.assertEqual(allowed and not denied, allows(content, name))

    @given(names, st.lists(globs, max_size=4), st.integers(0, 65535))
    def test_ports_and_case_do_not_matter(
        self, name: str, allow: list[str], port: int
    ) -> None:
        """A server is the same on any port, in small letters and large."""
        content = {"allow": allow}
        said = allows(content, name)
        self.assertEqual(said, allows(content, f"{name}:{port}"))
        self.assertEqual(said, allows(content, name.upper()))
        shouted = {"allow": [glob.upper() for glob in allow]}
        self.assertEqual(said, allows(shouted, name))

    @given(names, nonsense, nonsense)
    def test_what_is_no_list_of_patterns_names_nobody(
        self, name: str, allow: Any, deny: Any
    ) -> None:
        """Without anybody allowed, nobody is."""
        self.assertFalse(allows({"allow": allow, "deny": deny}, name))
        self.assertTrue(allows(ALL | {"deny": deny}, name))
        self.assertFalse(allows({}, name))

    def test_addresses_may_be_denied(self) -> None:
        """Whatever the patterns say of them."""
        addresses = ("1.2.3.4", "1.2.3.4:8448", "[::1]", "[2001:db8::1]:8448")
        for content, said in (
            (ALL | {"allow_ip_literals": False}, False),
            (ALL | {"allow_ip_literals": True}, True),
            (ALL | {"allow_ip_literals": "no"}, True),
            (ALL, True),
        ):
            for address in addresses:
                self.assertEqual(said, allows(content, address))
            self.assertTrue(allows(content, "1.2.3.4.test"))

    def test_a_pattern_of_many_stars_takes_no_longer(self) -> None:
        """A regular expression like this would not come to an end."""
        deny = ["*a" * 60 + "*b"]
        self.assertTrue(allows(ALL | {"deny": deny}, "a" * 250))

    def test_everything_else_in_a_pattern_stands_for_itself(self) -> None:
        """Dots, brackets, line ends."""
        self.assertFalse(allows({"allow": ["a.b"]}, "axb"))
        self.assertFalse(allows({"allow": ["[ab]"]}, "a"))
        self.assertFalse(allows({"allow": ["a"]}, "a\n"))
