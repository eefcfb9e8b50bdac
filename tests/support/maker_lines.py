"""Lines that are made up in the forms of the makers for whom there is a preset."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parents[1] / "fixtures" / "presets"


@cache
def maker_fixture(name: str) -> dict[str, Any]:
    """Return ``lines`` with what they become, ``variants`` of the first one, and one of an ``unknown`` event class."""
    content: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))
    return content


def maker_lines(name: str) -> list[dict[str, Any]]:
    """Return the lines that are written out, and the first one as each other event class."""
    fixture = maker_fixture(name)
    written = [each["line"] for each in fixture["lines"]]
    return [*written, *(merged(written[0], variant) for variant in fixture["variants"])]


def merged(line: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return a line with other values at some places."""
    both = deepcopy(line)
    for name, value in more.items():
        is_nested = isinstance(value, dict) and isinstance(both.get(name), dict)
        both[name] = merged(both[name], value) if is_nested else value
    return both
