"""Requires a unit-test file for every module of the write path that has a class with state."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_SOURCE = _ROOT / "src" / "telemetry" / "audit"
_TESTS = Path(__file__).parent / "audit"
_ELSEWHERE = {
    "record.py": "a structure without behaviour; each part that writes a field is tested with it",
}
"""Modules without a test file of their name, and why."""

_MODULES = sorted(path.relative_to(_SOURCE).as_posix() for path in _SOURCE.rglob("*.py"))


def _sets_own_attributes(path: Path) -> bool:
    """Return whether a class of the module assigns an attribute of ``self``."""
    classes = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ClassDef))
    stored = (node for one in classes for node in ast.walk(one) if isinstance(node, ast.Attribute))
    return any(
        isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name) and node.value.id == "self"
        for node in stored
    )


@pytest.mark.parametrize("module", [name for name in _MODULES if _sets_own_attributes(_SOURCE / name)])
def test_module_with_state_has_a_test_file(module: str) -> None:
    own = (_TESTS / module).with_name(f"test_{Path(module).name}")

    assert own.is_file() or module in _ELSEWHERE, f"write {own.relative_to(_ROOT)}"


def test_exceptions_name_modules() -> None:
    assert [name for name in _ELSEWHERE if name not in _MODULES] == []
    assert all(_ELSEWHERE.values())
