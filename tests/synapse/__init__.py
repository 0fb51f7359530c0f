"""The Synapse module on virtual time, with a Synapse that is mostly not there."""

from __future__ import annotations

import importlib.util
import unittest
import warnings
from typing import Any

if importlib.util.find_spec("synapse") is None:
    raise unittest.SkipTest("Synapse is not installed")

with warnings.catch_warnings():
    # At its import, Synapse uses what Twisted has deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from synapse.server import HomeServer

    # First of all, for what comes with it.
    from matrix_presence.synapse.options import LACKING

#: As it is before any test has the module read its configuration.
STOCK_GETTER: Any = HomeServer.get_presence_handler

__all__ = ["LACKING", "STOCK_GETTER"]
