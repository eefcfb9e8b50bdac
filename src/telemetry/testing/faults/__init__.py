"""Break parts of a pipeline on purpose, and count what became of every event."""
