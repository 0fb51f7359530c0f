"""Lists of servers, with wildcards."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.rules.server_globs import admission, glob_matcher, host_of
from tests.base import TestCase

NAMES = ("example.org", "sub.example.org", "example.org:8448", "10.1.2.3", "[::1]:1")


class AdmissionTests(TestCase):
    """Who is on one list and not on the other."""

    def admitted(self, allowed: list[str] | None, *denied: str) -> list[str]:
        """Those of a few servers who are."""
        return [name for name in NAMES if admission(allowed, denied)(name)]

    def test_without_lists_everybody_is_admitted(self) -> None:
        """An empty list of those allowed is a list: it allows nobody."""
        self.assertEqual(list(NAMES), self.admitted(None))
        self.assertEqual([], self.admitted([]))

    def test_a_name_means_it_on_any_port(self) -> None:
        """But a name with a port means that port only."""
        both = ["example.org", "example.org:8448"]
        self.assertEqual(both, self.admitted(["example.org"]))
        self.assertEqual(both[1:], self.admitted(["example.org:8448"]))
        self.assertEqual([NAMES[4]], self.admitted(["[::1]"]))

    def test_wildcards(self) -> None:
        """A star is any characters, a question mark is one, a dot is a dot."""
        self.assertEqual(["sub.example.org"], self.admitted(["*.example.org"]))
        self.assertEqual(["10.1.2.3"], self.admitted(["10.?.*"]))
        self.assertEqual([], self.admitted(["exampleXorg", "10.?"]))
        self.assertEqual(["10.1.2.3", "[::1]:1"], self.admitted(None, "*.ORG"))

    def test_who_is_denied_is_denied(self) -> None:
        """Whatever the other list says."""
        allowed = self.admitted(["*"], "sub.*", "[*")
        self.assertEqual(["example.org", "example.org:8448", "10.1.2.3"], allowed)

    @given(st.text(max_size=20))
    def test_a_text_without_wildcards_means_itself(self, text: str) -> None:
        """Whatever characters it has."""
        plain = text.replace("*", "").replace("?", "")
        self.assertTrue(glob_matcher([plain])(plain))

    @given(st.text("*?ab", max_size=30), st.text("ab", max_size=30))
    def test_many_stars_cost_no_more_than_one(self, glob: str, text: str) -> None:
        """Nobody can write a glob that takes long to try."""
        self.assertEqual(
            glob_matcher([glob])(text), glob_matcher([glob.replace("*", "**")])(text)
        )

    def test_the_host_is_the_name_without_its_port(self) -> None:
        """Also of addresses of both versions."""
        hosts = ["example.org", "sub.example.org", "example.org", "10.1.2.3", "[::1]"]
        self.assertEqual(hosts, [host_of(name) for name in NAMES])
