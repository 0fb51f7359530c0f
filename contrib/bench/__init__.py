"""Measurements of matrix_presence; see README.md beside this file."""
