"""Tests of the conformance tool."""
