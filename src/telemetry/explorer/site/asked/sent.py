"""Reads the search that a form carries along, beside what the form is for."""

from __future__ import annotations

from datetime import UTC, datetime

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.explorer.access.form import Form
from telemetry.explorer.access.refused import Refused
from telemetry.explorer.index.search import Search
from telemetry.explorer.site.asked.asking import Asked, read_pairs

OWN = "take-"
"""How the fields begin that say what is to be done with the search."""
_CSRF = "csrf"


def read_sent(form: Form, *, is_open: bool) -> Asked:
    """Return the search of a form, as :func:`read_pairs` does.

    Args:
        form: What was sent.
        is_open: Whether content may be looked into.
    """
    names = [name for name in form.names() if name != _CSRF and not name.startswith(OWN)]
    pairs = [(name, text) for name in names for text in form.all(name)]
    return read_pairs(pairs, now=datetime.now(UTC), is_open=is_open)


def require_search(asked: Asked) -> Search:
    """Return the search.

    Raises:
        ConfigurationError: It has problems.
        Refused: It looks into content, which is closed: whether something is found would say what the content is.
    """
    if asked.closed:
        detail = "These filters look into content, which is closed. Give the reason for reading first."
        raise Refused(403, "no_reason", detail)
    if asked.search is None:
        raise ConfigurationError(*(Problem(name, text) for name, text in asked.problems.items()))
    return asked.search
