"""The `/sync` of the embedded homeserver.

`token` and `filters` read what the client sends, `timeline` and `rooms` find what is
new in the rooms, `answer` adds account data, devices and presence, and `endpoint` waits
until there is something to answer.
"""
