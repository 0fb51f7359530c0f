"""Tests of the core on virtual time: what follows from what, and when."""
