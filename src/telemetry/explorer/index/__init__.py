"""Holds the events of the trail in memory, and searches them."""
