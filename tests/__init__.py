"""Tests of `matrix_presence`, laid out as the package is."""
