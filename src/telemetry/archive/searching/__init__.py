"""Finds events in an archive without any key."""
