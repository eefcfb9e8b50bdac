"""Reads the one style sheet of every page, and states the content-security policy of a page that contains it."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

_SHEET = "style.css"


@cache
def style() -> str:
    """Return the style sheet."""
    return files("telemetry.pages").joinpath(_SHEET).read_text("utf-8")


@cache
def style_digest() -> str:
    """Return the digest of the style sheet as a content-security policy names it: ``sha256-`` and base64."""
    return f"sha256-{base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()}"


def page_policy() -> str:
    """Return the content-security policy of a self-contained page: its own style sheet, and nothing else."""
    return f"default-src 'none'; style-src '{style_digest()}'; base-uri 'none'; form-action 'none'"
