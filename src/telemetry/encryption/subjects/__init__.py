"""Keeps a key for each person, so that a person can be forgotten."""
