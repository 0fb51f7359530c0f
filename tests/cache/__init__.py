"""Tests of the in-memory cache: each part against the plainest thing alike."""
