"""Tests of matrix_presence.web."""
