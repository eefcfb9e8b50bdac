"""Reaches the key services that are built in, each by its own SDK."""
