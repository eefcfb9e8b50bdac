"""Compacts, redacts and ends what is in an archive, and seals each change."""
