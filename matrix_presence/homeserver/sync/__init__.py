"""The `/sync` of the embedded homeserver.

`token`, `filters` and `ask` are what the client sends, `timeline` and `room_parts` find
what is new in a room and `rooms` in all of them, `answer` adds account data, devices
and presence, and `endpoint` waits until there is something to answer.
"""
