"""Seal events into rows of a transactional outbox, and read the rows back to relay them."""
