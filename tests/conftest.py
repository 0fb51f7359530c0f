"""What only pytest needs; trial never reads this file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_twisted
from twisted.trial import unittest


@pytest.fixture(autouse=True)
def _trial_tests_share_the_reactor(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Trial tests on the real reactor wait by pytest-twisted once it runs the reactor.

    Trial would start a reactor that runs already (pytest-twisted issue 147).
    """
    # Here and not above: pytest-twisted chooses the reactor after this file is read.
    from twisted.internet import reactor

    if reactor.running:

        def wait(_test: unittest.TestCase, deferred: Any, **_kwargs: Any) -> None:
            pytest_twisted.blockon(deferred)

        monkeypatch.setattr(unittest.TestCase, "_wait", wait)
    yield


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the tests go on that could go on for ever."""
    parser.addoption(
        "--operations",
        type=int,
        help="operations of the model test (default: MATRIX_PRESENCE_OPERATIONS, "
        "else 10000)",
    )
    parser.addoption(
        "--soak",
        type=float,
        default=20.0,
        help="seconds for which a server flaps in tests/interop/test_soak.py",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Hand the option on to the test, by the door that trial has too."""
    operations = config.getoption("--operations", default=None)
    if operations is not None:
        os.environ["MATRIX_PRESENCE_OPERATIONS"] = str(operations)
