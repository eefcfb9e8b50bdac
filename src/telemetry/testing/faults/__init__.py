"""Break things on purpose, and count what became of the events."""
