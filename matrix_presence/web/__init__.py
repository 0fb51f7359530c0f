"""Presence over HTTP: the resource tree that any Twisted homeserver can mount.

Translates requests into calls of the presence handler, and refusals into responses. It
decides nothing about presence itself.
"""
