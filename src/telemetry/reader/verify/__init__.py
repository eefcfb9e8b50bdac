"""Verify a trail against its signed checkpoints."""
