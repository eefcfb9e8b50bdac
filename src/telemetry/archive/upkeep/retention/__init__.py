"""Ends events whose retention is over: the leaf hashes stay, so that the rest of each stream is still proven."""
