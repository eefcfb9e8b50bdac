"""Unwrapped data keys of a reader: asked for once, kept within bounds, and what forged ones may cost."""
