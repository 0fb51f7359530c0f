"""The option `--operations`, for `pytest tests/model --operations 1000000`.

Trial knows no options: there, and where other directories are tested too, the
environment variable does the same.
"""

from __future__ import annotations

import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the core is held against the reference."""
    parser.addoption(
        "--operations",
        type=int,
        help="operations of the model test (default: MATRIX_PRESENCE_OPERATIONS, "
        "else 10000)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Hand the option on to the test, by the door that every runner has."""
    operations = config.getoption("--operations", default=None)
    if operations is not None:
        os.environ["MATRIX_PRESENCE_OPERATIONS"] = str(operations)
