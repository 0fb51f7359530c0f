"""Tests of `matrix_presence.wire`."""
