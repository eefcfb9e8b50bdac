"""Relays the outbox."""
