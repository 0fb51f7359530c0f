"""Where presence survives a restart: SQLite, PostgreSQL or memory."""
