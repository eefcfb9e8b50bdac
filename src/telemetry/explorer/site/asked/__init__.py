"""Turns the address of a page into a search, and a search into addresses and a command line."""
