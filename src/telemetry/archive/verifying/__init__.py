"""Verifies an archive in shares, on several processors."""
