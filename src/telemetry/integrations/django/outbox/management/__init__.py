"""Adds commands to ``manage.py``."""
