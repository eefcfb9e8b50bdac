"""Takes the two names of MarkupSafe that every page needs, and says which extra has them if it is absent."""

from __future__ import annotations

from telemetry.exceptions import MissingExtraError

_FEATURE = "an HTML page"

try:
    from markupsafe import Markup, escape
except ImportError as exc:
    raise MissingExtraError(_FEATURE, "cli") from exc

__all__ = ["Markup", "escape"]
