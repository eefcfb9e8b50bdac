"""Encode rosters: what a witness saw of the streams of a trail, as an append-only log of its own."""
