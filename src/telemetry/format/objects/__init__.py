"""Encode the objects of the fallback store."""
