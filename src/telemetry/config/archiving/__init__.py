"""Configures the archive that keeps the trail for years."""
