"""Verify a share of the producers of an archive, which is sorted by sequence."""
