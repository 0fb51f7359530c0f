"""The in-memory cache: users, devices, rooms, timing wheel, stream and windows."""
