"""Tests of `matrix_presence.homeserver`."""
