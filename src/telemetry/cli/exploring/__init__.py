"""Starts the explorer from the options of its command."""
