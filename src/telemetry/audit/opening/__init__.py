"""Open what a pipeline is built on: keys, store and spool."""
