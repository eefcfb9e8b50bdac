"""Divide the bytes of an input into the texts of single JSON values, each with its place."""
