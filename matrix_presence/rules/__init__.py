"""Pure decisions: what a device, a user, a time-out or a peer's message leads to.

Functions of values, with `now` in epoch milliseconds passed in. No Twisted, no clock,
no logging and no I/O below here.
"""
