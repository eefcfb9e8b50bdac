"""Defines the seals of an archive: bytes in, values out."""
