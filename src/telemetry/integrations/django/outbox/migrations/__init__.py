"""Creates the table of the outbox."""
