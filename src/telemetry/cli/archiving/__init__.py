"""Shares options and output of the commands that keep or read an archive."""
