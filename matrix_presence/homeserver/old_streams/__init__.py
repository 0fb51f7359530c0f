"""The streams of r0.1.0 that /sync took the place of: /events and the initial syncs.

`shapes` renders events as clients of that time read them, `news` finds what came after
a token, `snapshots` what there is at the beginning, and `endpoints` answers requests.
"""
