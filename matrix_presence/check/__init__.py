"""`matrix-presence check`: what the presence of any homeserver does, seen from outside.

The target is only ever talked to over HTTP. What a check expects is in one small
function in `modern_*.py`, `legacy_*.py`, `federation_*.py` or `optional_*.py`; how
checks are chosen, run and shown is in the other files.
"""
