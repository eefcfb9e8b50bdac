"""Feed the lines of an input, or the rows of an outbox, into the pipeline, and say what became of each."""
