"""Sign checkpoints of the stream while its records are sent."""
