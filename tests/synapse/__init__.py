"""The Synapse module on virtual time, with a Synapse that is mostly not there."""

import importlib.util
import unittest
import warnings

if importlib.util.find_spec("synapse") is None:
    raise unittest.SkipTest("Synapse is not installed")

with warnings.catch_warnings():
    # At its import, Synapse uses what Twisted has deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    # First of all, for what comes with it.
    from matrix_presence.synapse.options import LACKING

__all__ = ["LACKING"]
