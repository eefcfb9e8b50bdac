"""Log what happens in frameworks: one module or folder each, over the public API alone."""
