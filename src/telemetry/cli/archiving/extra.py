"""Says which extra is missing, before a command of the archive imports what needs it."""

from __future__ import annotations

from importlib import import_module

from telemetry.exceptions import MissingExtraError

_LIBRARIES = ("fsspec", "pyarrow", "sqlalchemy", "pyiceberg")
"""All of them: another extra brings one of these, too."""


def require_archive() -> None:
    """Raise ``MissingExtraError`` unless the libraries of the archive are installed."""
    try:
        for name in _LIBRARIES:
            import_module(name)
    except ImportError as exc:
        feature = "the archive"
        raise MissingExtraError(feature, "archive") from exc
