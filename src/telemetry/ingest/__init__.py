"""Turns log lines of other makers into the arguments of ``log()``; pure but for the reading of its input and presets."""
