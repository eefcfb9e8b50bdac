"""Keeps accepted events on disk until they are settled, and adopts what dead processes left."""
