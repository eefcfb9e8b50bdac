"""Open the trail for reading, and record each read in it."""
