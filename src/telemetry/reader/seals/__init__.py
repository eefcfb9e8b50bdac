"""Reads the seals of an archive from a store, and judges them by the trust policy."""
