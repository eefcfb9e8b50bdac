"""Commits to an archive: the seal decides, and the Iceberg table follows."""
