"""Removes the values of events on request, and keeps the leaf hashes that the signed trees need."""
