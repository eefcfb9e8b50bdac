"""Keeps the wrapped keys of subjects in a database."""
