"""The base class of every ordinary test, for both runners.

It closes three holes through which a test passes without testing: a coroutine that
nobody runs, a Deferred that nobody waits for, and an error that is only logged.
Time is a `Clock` that the test advances, so everything is done when it returns.
"""

from __future__ import annotations

import functools
import inspect
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from typing import Any
from unittest import TestResult

from hypothesis import HealthCheck, settings
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

# The machine may be busy with other tests, so no example has a deadline. A test of a
# port is inherited by one class for each implementation, which hypothesis takes for a
# mistake unless told otherwise.
#
# Where CI is set, the same examples are tried each time, so that a change is judged by
# what it changes; everywhere else each run looks for new ones.
settings.register_profile(
    "matrix_presence",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)
settings.load_profile("matrix_presence")


class TestCase(SynchronousTestCase):
    """A test that is finished when its method returns.

    `async def` methods run to their end, or fail where they got stuck. Each record of
    level ERROR or above in stdlib logging fails the test, unless it was taken with
    `logged_errors`.
    """

    #: Looked at by trial. Twisted imports all of its plugins, once in an environment,
    #: to find one kind of endpoint; see `filterwarnings` in setup.cfg.
    suppress = (
        (
            ("ignore",),
            {
                "category": DeprecationWarning,
                "message": r"'(crypt|spwd)' is deprecated",
            },
        ),
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # dir(), not vars(): tests of a port come from a mixin that is no TestCase.
        for name in [name for name in dir(cls) if name.startswith("test")]:
            if inspect.isfunction(test := getattr(cls, name)):
                setattr(cls, name, _finished(test))

    def run(self, result: TestResult | None = None) -> TestResult | None:
        """Run the test with an ear on stdlib logging."""
        self._errors = _Errors()
        # Cleanups run last in, first out: this one sees the errors of all others.
        self.addCleanup(self._no_error_is_left)
        root = logging.getLogger()
        root.addHandler(self._errors)
        try:
            super().run(result)
            return result
        finally:
            root.removeHandler(self._errors)

    def mktemp(self) -> str:
        """A path at which there is nothing yet, and nothing any more after the test.

        Under pytest, trial's own would leave its directories in the checkout.
        """
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        return os.path.join(directory, "temp")

    def logged_errors(self) -> list[str]:
        """The errors logged since the last call, tracebacks included; now forgiven."""
        taken, self._errors.texts = self._errors.texts, []
        return taken

    def _no_error_is_left(self) -> None:
        left = self.logged_errors()
        if left:
            self.fail("Errors were logged:\n" + "\n".join(left))


class _Errors(logging.Handler):
    """Keeps the text of each error."""

    def __init__(self) -> None:
        super().__init__(level=logging.ERROR)
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message and the traceback that came with it."""
        self.texts.append(self.format(record))


def _finished(test: Callable[..., Any]) -> Callable[..., Any]:
    """The same test, which has to have finished when it returns."""
    if hasattr(test, "finished"):
        return test
    given = getattr(test, "hypothesis", None)
    if given is not None and inspect.iscoroutinefunction(given.inner_test):
        # hypothesis itself refuses coroutine functions; this is its door for others.
        given.inner_test = _finished(given.inner_test)
        return test

    @functools.wraps(test)
    def run(self: TestCase, *args: Any, **kwargs: Any) -> None:
        outcome = test(self, *args, **kwargs)
        if inspect.iscoroutine(outcome):
            outcome = Deferred.fromCoroutine(outcome)
        if isinstance(outcome, Deferred):
            _raise_unless_done(outcome)

    run.finished = True  # type: ignore[attr-defined]  # a mark for subclasses
    return run


def _raise_unless_done(outcome: Deferred[Any]) -> None:
    """Like `successResultOf`, but with the exception itself: it may be a SkipTest."""
    results: list[Any] = []
    outcome.addBoth(results.append)
    if not results:
        raise AssertionError("the test waits for something that does not come")
    if isinstance(results[0], Failure):
        results[0].raiseException()
