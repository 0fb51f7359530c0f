"""Presence between servers, on virtual time."""
