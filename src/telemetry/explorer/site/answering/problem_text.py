"""Says in a sentence what is wrong with what a visitor asked for."""

from __future__ import annotations

from telemetry.exceptions import ConfigurationError


def problem_text(error: ConfigurationError) -> str:
    """Return every problem, one after the other."""
    return "; ".join(map(str, error.problems))
