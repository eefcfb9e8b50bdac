"""Reads the trail into the index, and goes on with what arrives."""
