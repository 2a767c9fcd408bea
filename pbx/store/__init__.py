"""What outlives the process: SQLite, its schema, and the thread that writes to it."""
