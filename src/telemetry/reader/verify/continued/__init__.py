"""Remembers where an earlier verification has ended, and how far this one has come."""
