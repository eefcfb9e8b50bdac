"""Wrap data keys with one key service each; imported only when configured."""
