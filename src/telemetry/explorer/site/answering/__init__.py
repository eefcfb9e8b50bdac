"""Gives every screen of the explorer what it answers with: pages, links, rows, and a turn at the index."""
