"""Real processes: the server started as the README says, real clients, real kills.

Plain pytest functions, seen by pytest alone; everything else runs under trial too.
"""
