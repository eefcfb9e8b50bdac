"""Reads records back from an archive."""
