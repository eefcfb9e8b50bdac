"""Offer the events of a request in their order, wait for the level once, and answer for each."""
