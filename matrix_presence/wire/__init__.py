"""JSON on the outside, values on the inside.

Reads what clients and servers send, and writes what they are sent. A value that comes
out of here has been checked. No network, no clock, no Twisted.
"""
