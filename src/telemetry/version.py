"""Names the library's version in a module of its own, so that every layer may use it."""

__version__ = "0.1.0"
