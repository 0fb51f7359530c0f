"""Options: what may be written, what it means, and what is said when it is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import yaml
from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.config import PresenceConfig, describe, parse
from matrix_presence.kinds import read_duration, show_duration
from matrix_presence.options import ConfigError, Unfit, reference
from tests.base import TestCase

YEAR = 365 * 24 * 60 * 60 * 1000


def paths(section: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[Any]:
    """Where each option of a section stands: a tuple of keys."""
    for key, value in section.items():
        if isinstance(value, dict):
            yield from paths(value, (*above, key))
        else:
            yield (*above, key)


def nested(path: tuple[str, ...], value: object) -> dict[str, Any]:
    """The section in which only the option at this path is written."""
    key, *below = path
    return {key: nested(tuple(below), value) if below else value}


DEFAULTS = yaml.safe_load(describe())
OPTIONS = sorted(paths(DEFAULTS))

#: What YAML can make of a line. Where one is what an option takes, it is taken.
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.dates(),
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(scalars, inner)
)


class ParseTests(TestCase):
    """Reading the section `presence`."""

    def refusal(self, section: Any) -> str:
        """The sentence with which a section is refused."""
        return str(self.assertRaises(ConfigError, parse, section))

    def test_an_empty_section_has_the_defaults(self) -> None:
        """Nothing, an empty section and no section at all are the same."""
        self.assertEqual(PresenceConfig(), parse({}))
        self.assertEqual(PresenceConfig(), parse(None))

    def test_the_defaults_are_those_of_the_specification(self) -> None:
        """Times have Synapse's defaults, in milliseconds (B-19, B-40, B-46, B-54)."""
        config = parse({})
        self.assertEqual(60_000, config.last_active_granularity)
        self.assertEqual(30_000, config.sync_online_timeout)
        self.assertEqual(300_000, config.idle_timeout)
        self.assertEqual(1_800_000, config.federation_timeout)
        self.assertEqual(1_500_000, config.federation_ping_interval)

    def test_durations_are_read_with_units_and_without(self) -> None:
        """A time is written with a unit, or as a number of milliseconds."""
        config = parse({"idle_timeout": "10m", "tick": 25, "client_window": "100ms"})
        self.assertEqual(600_000, config.idle_timeout)
        self.assertEqual(25, config.tick)
        self.assertEqual(100, config.client_window)

    def test_nested_options_are_read(self) -> None:
        """Rate limits stand where Synapse has them."""
        config = parse({"rc_presence": {"per_user": {"per_second": 0.1}}})
        self.assertEqual(0.1, config.rc_presence.per_user.per_second)
        self.assertEqual(5, config.rc_presence.per_user.burst_count)

    def test_federation_has_switches_of_its_own(self) -> None:
        """Each way of federation is on, and can be switched off alone."""
        ways = ("federation_incoming", "federation_outgoing", "federate_profile_keys")
        for way in ways:
            config = parse({way: False})
            on = [other for other in ways if getattr(config, other)]
            self.assertEqual(sorted({*ways} - {way}), sorted(on))

    def test_other_servers_have_their_limit(self) -> None:
        """What each may tell stands beside what each user may do (C-43)."""
        config = parse({"rc_presence": {"per_origin": {"burst_count": 7}}})
        self.assertEqual(7, config.rc_presence.per_origin.burst_count)
        self.assertEqual(500, config.rc_presence.per_origin.per_second)
        self.assertEqual(5, config.rc_presence.per_user.burst_count)

    def test_policies_are_one_or_several(self) -> None:
        """Who is accepted without asking is a name or a list of them (A-69)."""
        for written, expected in (
            ("always", ("always",)),
            (["reverse", "shared_room"], ("reverse", "shared_room")),
            ("never", ("never",)),
            ([], ()),
        ):
            config = parse({"presence_list_policy": written})
            self.assertEqual(config.presence_list_policy, expected)
        self.assertEqual(
            "presence.presence_list_policy takes always, reverse, shared_room or "
            "never, or a list of them, not 'anybody'",
            self.refusal({"presence_list_policy": ["never", "anybody"]}),
        )
        self.assertEqual(
            "presence_list_policy takes never only by itself",
            self.refusal({"presence_list_policy": ["never", "always"]}),
        )

    def test_enabled_takes_three_values(self) -> None:
        """Presence is on, off or untracked."""
        for value in (True, False, "untracked"):
            self.assertIs(value, parse({"enabled": value}).enabled)

    def test_rooms_are_excluded_by_id(self) -> None:
        """Room ids of every room version are taken (D-31)."""
        rooms = ["!abc:example.org", "!Kq3-hash_without_a_server_name"]
        config = parse({"exclude_rooms_from_presence": rooms})
        self.assertEqual(tuple(rooms), config.exclude_rooms_from_presence)

    def test_an_unknown_key_is_refused_by_name(self) -> None:
        """A key that does not exist is named, with the one that was probably meant."""
        self.assertEqual(
            "presence has no option 'idle_timout'; did you mean 'idle_timeout'?",
            self.refusal({"idle_timout": "5m"}),
        )
        self.assertEqual("presence has no option 7", self.refusal({7: True}))

    def test_a_wrong_value_is_refused_by_key_and_value(self) -> None:
        """The sentence says where, what is expected and what was found."""
        self.assertEqual(
            "presence.busy takes true or false, not 'yes'",
            self.refusal({"busy": "yes"}),
        )
        self.assertEqual(
            "presence.rc_presence.per_user.burst_count takes a whole number from 1 on, "
            "not 0",
            self.refusal({"rc_presence": {"per_user": {"burst_count": 0}}}),
        )
        self.assertEqual(
            "presence.hidden_status takes 403 or 404, not true",
            self.refusal({"hidden_status": True}),
        )

    def test_a_wrong_entry_of_a_list_is_shown(self) -> None:
        """In a long list it is the entry that is named, not the list."""
        rooms = [*(f"!{number}:example.org" for number in range(20)), "#alias:b.org"]
        self.assertEqual(
            "presence.exclude_rooms_from_presence takes a list of room ids such as "
            "['!abc:example.org'], not '#alias:b.org'",
            self.refusal({"exclude_rooms_from_presence": rooms}),
        )

    def test_a_duration_above_0_is_not_0(self) -> None:
        """A time-out of nothing would end before it began."""
        self.assertIn("not '0s'", self.refusal({"sync_online_timeout": "0s"}))

    def test_granularity_is_below_the_idle_timeout(self) -> None:
        """Who is currently active is not idle (B-34, B-54)."""
        self.assertEqual(
            "last_active_granularity (1m) must be shorter than idle_timeout (30s)",
            self.refusal({"idle_timeout": "30s"}),
        )

    def test_without_idle_timeout_any_granularity_fits(self) -> None:
        """An idle time-out of 0 leaves idling to the clients (X-5)."""
        config = parse({"idle_timeout": 0, "last_active_granularity": "10m"})
        self.assertEqual(0, config.idle_timeout)

    def test_pings_come_before_the_timeout(self) -> None:
        """Other servers hear of a user again before they give the user up (C-9)."""
        sentence = self.refusal({"federation_ping_interval": "30m"})
        self.assertIn("federation_timeout (30m)", sentence)

    def test_busy_lasts_longer_than_online(self) -> None:
        """Being busy keeps a device for longer, never for shorter (B-50)."""
        self.assertIn(
            "busy_online_timeout (1s)", self.refusal({"busy_online_timeout": "1s"})
        )

    def test_contradictions_in_code_are_refused_too(self) -> None:
        """An instance that was never written in a file is held to the same rules."""
        with self.assertRaises(ConfigError):
            attrs.evolve(PresenceConfig(), idle_timeout=1)

    @given(st.sampled_from(OPTIONS), anything)
    def test_a_wrong_type_is_refused_with_the_key(self, path, value) -> None:
        """Whatever stands at an option, it is taken or refused in one sentence."""
        try:
            parse(nested(path, value))
        except ConfigError as error:
            sentence = str(error)
            self.assertIn(path[-1], sentence)
            self.assertNotIn("\n", sentence)
            self.assertLess(len(sentence), 400)

    @given(anything)
    def test_a_section_of_any_shape_is_taken_or_refused(self, value) -> None:
        """Nothing that YAML can make of a section raises anything else."""
        try:
            parse(value)
        except ConfigError as error:
            self.assertIn("presence", str(error))


class DurationTests(TestCase):
    """Times as people write them."""

    @given(st.integers(0, YEAR))
    def test_what_is_shown_reads_back(self, ms) -> None:
        """A time that is printed and read again is the same time."""
        self.assertEqual(ms, read_duration(show_duration(ms)))
        self.assertEqual(ms, read_duration(ms))

    def test_units(self) -> None:
        """Milliseconds, seconds, minutes, hours and days."""
        read = [read_duration(each) for each in ("7ms", "7s", "7m", "7h", "7d")]
        self.assertEqual([7, 7_000, 420_000, 25_200_000, 604_800_000], read)

    def test_what_is_not_a_duration_is_refused(self) -> None:
        """No fraction, sign, blank, unknown unit, foreign digit or eternity."""
        wrong = (
            True,
            1.5,
            -1,
            "5",
            "5 m",
            "-5m",
            "1.5h",
            "5w",
            "\N{ARABIC-INDIC DIGIT FIVE}m",
            "366d",
            "",
            None,
        )
        for written in wrong:
            with self.assertRaises(Unfit):
                read_duration(written)


class DescribeTests(TestCase):
    """The reference that `matrix-presence config` prints."""

    def test_it_is_a_configuration_with_the_defaults(self) -> None:
        """What is printed reads back as the defaults."""
        self.assertEqual(PresenceConfig(), parse(DEFAULTS))

    def test_it_explains_every_option(self) -> None:
        """Before each key stands a comment that ends in its unit or choice."""
        lines = [line.strip() for line in describe().splitlines()]
        for path in OPTIONS:
            place = next(
                number
                for number, line in enumerate(lines)
                if line.startswith(f"{path[-1]}: ")
            )
            self.assertTrue(lines[place - 1].startswith("# "))
            self.assertTrue(lines[place - 1].endswith(")"))


class ReadmeTests(TestCase):
    """The table in the README."""

    def test_it_has_every_option_as_it_is(self) -> None:
        """Each option stands there with its default and its meaning, in order."""
        readme = Path(__file__).parents[1] / "README.md"
        rows = [
            f"| `{entry.path}` | `{entry.default}` | {entry.meaning} |"
            for entry in reference(PresenceConfig())
        ]
        self.assertIn("\n".join(rows), readme.read_text(encoding="utf-8"))
