"""Moves records from the topic and the fallback store into the archive, each exactly once by its place."""
