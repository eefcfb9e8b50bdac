"""Finds out why Kafka cannot be used, and what to do about it."""
