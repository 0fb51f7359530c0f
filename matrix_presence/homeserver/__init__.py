"""A small homeserver around presence, for trying, developing and testing.

Real clients log in to it. It implements the ports of `matrix_presence.interfaces` and
is otherwise a user of this package like any other.
"""
