"""Keeps the rows of the index: in columns, in segments of some thousand rows, in order of time."""
