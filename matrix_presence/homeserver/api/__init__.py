"""Endpoints of the embedded homeserver, a file for each group."""
