"""The base class itself: what would pass without testing fails."""

from __future__ import annotations

import logging
import unittest

from hypothesis import Verbosity, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from tests.base import TestCase


def outcome_of(method: object) -> unittest.TestResult:
    """What becomes of a test case with this one test."""
    case = type("Case", (TestCase,), {"test_it": method})
    result = unittest.TestResult()
    case("test_it").run(result)
    return result


class TestCaseTests(TestCase):
    """A test passes if it ran to its end and nothing was wrong on the way."""

    def test_a_coroutine_runs(self) -> None:
        """The body of a coroutine is run, so a failure in it is a failure."""

        async def body(case: TestCase) -> None:
            case.assertEqual(1, 2)

        self.assertEqual(1, len(outcome_of(body).failures))

    def test_a_finished_coroutine_passes(self) -> None:
        """A coroutine that gets to its end is a success."""

        async def body(case: TestCase) -> None:
            case.assertEqual(1, 1)

        self.assertTrue(outcome_of(body).wasSuccessful())

    def test_a_coroutine_that_is_stuck_fails(self) -> None:
        """A coroutine that waits for what nobody does is reported."""

        async def body(case: TestCase) -> None:
            await Deferred()

        self.assertFalse(outcome_of(body).wasSuccessful())

    def test_a_deferred_that_has_not_fired_fails(self) -> None:
        """A returned Deferred has to have fired."""

        def body(case: TestCase) -> Deferred[None]:
            return Deferred()

        self.assertFalse(outcome_of(body).wasSuccessful())

    def test_a_coroutine_may_skip(self) -> None:
        """A skip from within a coroutine is a skip, not a failure."""

        async def body(case: TestCase) -> None:
            raise unittest.SkipTest("not today")

        result = outcome_of(body)
        self.assertTrue(result.wasSuccessful())
        self.assertEqual(1, len(result.skipped))

    def test_a_coroutine_given_examples_runs(self) -> None:
        """hypothesis drives a coroutine like any other test."""

        @settings(database=None, verbosity=Verbosity.quiet)
        @given(st.integers())
        async def body(case: TestCase, number: int) -> None:
            case.assertLess(number, 100)

        self.assertFalse(outcome_of(body).wasSuccessful())

    def test_a_logged_error_fails(self) -> None:
        """An error that is only logged is an error of the test."""

        def body(case: TestCase) -> None:
            logging.getLogger("somewhere").error("%s is broken", "it")

        result = outcome_of(body)
        self.assertIn("somewhere: it is broken", result.errors[0][1])
        self.logged_errors()

    def test_a_logged_error_can_be_taken(self) -> None:
        """An error that the test expected and took is no error."""

        def body(case: TestCase) -> None:
            logging.getLogger("somewhere").error("%s is broken", "it")
            case.assertEqual(["somewhere: it is broken"], case.logged_errors())

        self.assertTrue(outcome_of(body).wasSuccessful())
        self.logged_errors()

    def test_a_test_of_a_mixin_runs(self) -> None:
        """Tests from a class that is no test case of its own run like the others."""

        class Mixin:
            async def test_it(self) -> None:
                """What a port promises."""
                raise AssertionError

        class Case(Mixin, TestCase):
            pass

        result = unittest.TestResult()
        Case("test_it").run(result)
        self.assertFalse(result.wasSuccessful())
