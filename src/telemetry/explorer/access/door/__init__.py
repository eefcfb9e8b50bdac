"""Receives every request before the pages, and finds out who sends it."""
