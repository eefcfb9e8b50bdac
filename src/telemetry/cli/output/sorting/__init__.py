"""Sorts any number of events in bounded memory."""
