"""Carry the streams of many services in one pipeline: shares of the room, lanes to the sender, checkpoints of each."""
