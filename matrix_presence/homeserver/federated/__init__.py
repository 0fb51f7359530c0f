"""Rooms that several servers share: what they ask us, and what we ask them."""
