"""Keep accepted events on disk until they are settled, and adopt what dead processes left."""
