"""Turns records into rows of the archive, and rows into records."""
