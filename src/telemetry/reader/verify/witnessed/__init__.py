"""Compares a trail with what witnesses saw of it."""
