"""Which checks there are, and which of them are asked for."""

from __future__ import annotations

from matrix_presence.check import registry
from matrix_presence.check.bench import Bench
from matrix_presence.check.registry import (
    Profile,
    UnknownCheck,
    all_checks,
    select,
)
from matrix_presence.check.timers import Timer, Timers, Wait, show_seconds
from tests.base import TestCase


class AllChecksTests(TestCase):
    """The checks of the package."""

    def test_every_number_of_the_catalogue_is_there_once(self) -> None:
        """There are 155 checks, numbered from 1 on."""
        self.assertEqual(list(range(1, 156)), [check.number for check in all_checks()])

    def test_names_can_be_told_apart(self) -> None:
        """No two checks have the same name, and none looks like a number."""
        names = [check.name for check in all_checks()]
        self.assertEqual(len(names), len(set(names)))
        for name in names:
            self.assertRegex(name, "^[a-z][a-z0-9]*(-[a-z0-9]+)*$")

    def test_each_says_what_should_happen_and_why(self) -> None:
        """A check has a whole sentence for a title, and a source."""
        for check in all_checks():
            self.assertRegex(check.title, r"^\S.*\.$", check.name)
            self.assertGreater(len(check.source), 10, check.name)

    def test_a_number_is_given_once(self) -> None:
        """Two functions cannot be the same check."""
        all_checks()

        async def twice(bench: Bench) -> None:
            """Never."""

        error = self.assertRaises(
            ValueError, registry.check(1, "twice", source="none"), twice
        )
        self.assertIn("number 1", str(error))


class SelectTests(TestCase):
    """`--profile`, `--only` and `--skip`."""

    def selected(self, *profiles: Profile, only: str = "", skip: str = "") -> list[int]:
        """The numbers of what is selected of all checks."""
        found = select(
            all_checks(),
            profiles,
            only.split(",") if only else (),
            skip.split(",") if skip else (),
        )
        return [check.number for check in found]

    def test_profiles(self) -> None:
        """Without names those of the profiles are run."""
        modern = self.selected(Profile.MODERN)
        optional = self.selected(Profile.OPTIONAL)
        both = self.selected(Profile.MODERN, Profile.OPTIONAL)
        self.assertEqual(both, sorted(modern + optional))
        self.assertNotIn(91, modern)

    def test_only_numbers_ranges_names_and_patterns(self) -> None:
        """What is named is run, whatever its profile is."""
        self.assertEqual([5], self.selected(only="5"))
        self.assertEqual([5, 6, 7, 145], self.selected(only="5-7,145"))
        self.assertEqual([5], self.selected(only="put-online"))
        self.assertEqual([145, 155], self.selected(only="guest,deactivated"))
        filters = self.selected(only="filter-*")
        self.assertEqual([61, 62, 63, 64, 65, 66], filters)

    def test_skip_goes_before_only(self) -> None:
        """What is skipped is not run, even if it is named too."""
        self.assertEqual([5, 7], self.selected(only="5-7", skip="6"))
        self.assertNotIn(5, self.selected(Profile.MODERN, skip="put-*"))

    def test_what_fits_nothing_is_named(self) -> None:
        """A pattern that fits no check is a mistake, in either option."""
        for option in ("only", "skip"):
            error = self.assertRaises(
                UnknownCheck, self.selected, Profile.MODERN, **{option: "put-onlne"}
            )
            self.assertIn("'put-onlne'", str(error))


class TimersTests(TestCase):
    """How long checks wait, and which wait too long."""

    timers = Timers(idle=300.0, patience=60.0, slack=2.0)

    def test_a_wait_is_a_multiple_of_a_time_of_the_target(self) -> None:
        """With what the target may be late, and what comes on top."""
        self.assertEqual(152.0, self.timers.seconds(Wait(Timer.IDLE, 0.5)))
        self.assertEqual(3.0, self.timers.seconds(Wait(more=3.0)))
        self.assertEqual(0.0, self.timers.seconds(Wait()))

    def test_what_waits_too_long_says_what_to_do(self) -> None:
        """The reason names the option, and the time that was assumed."""
        self.assertIsNone(self.timers.refusal(Wait(Timer.ONLINE, 1.0)))
        self.assertEqual(
            "would wait 5m2s: give --idle-timeout if the target's is shorter than 5m, "
            "or more --patience than 1m",
            self.timers.refusal(Wait(Timer.IDLE, 1.0)),
        )
        self.assertIn("--patience", self.timers.refusal(Wait(more=100.0)) or "")

    def test_times_are_shown_as_one_would_write_them(self) -> None:
        """Below ten seconds to a tenth, above to the second."""
        shown = {0.0: "0s", 0.25: "0.2s", 2.0: "2s", 59.7: "1m", 61.0: "1m1s"}
        shown |= {300.0: "5m", 3600.0: "1h", 9.96: "10s"}
        self.assertEqual(shown, {each: show_seconds(each) for each in shown})
