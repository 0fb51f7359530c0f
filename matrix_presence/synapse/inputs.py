"""What a process of ours tells the one that writes presence, beside what Synapse does.

It goes along in a status that Synapse relays. No client can put it there: Synapse
refuses a status with any key that it does not know.
"""

from __future__ import annotations

#: The key.
INPUT = "org.matrix_presence.input"

#: A sync that says nothing about its user, where Synapse fills in "online".
SAYS_NOTHING = "says_nothing"
LOGGED_OUT = "logged_out"
DEACTIVATED = "deactivated"
REACTIVATED = "reactivated"
