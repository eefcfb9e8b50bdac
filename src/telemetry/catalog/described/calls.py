"""Finds the calls in a Python module that log an event."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

_METHODS = frozenset(("log", "seal"))


class LogCall(NamedTuple):
    """A call of ``audit.log()`` or ``audit.seal()``, or ``@audited(...)``.

    Attributes:
        event_type: The type; None if it is no text in the module.
        members: Names of the payload's members; None if the payload is no object that is written there.
        line: Line of the type, from 1.
        column: Its column, from 1.
    """

    event_type: str | None
    members: tuple[str, ...] | None
    line: int
    column: int


def calls_of(module: ast.Module) -> Iterator[LogCall]:
    """Yield the calls of a module, in the order of its text."""
    names = _Names(module)
    found = (_call(node, names) for node in ast.walk(module) if isinstance(node, ast.Call) and names.logs(node.func))
    yield from sorted((call for call in found if call is not None), key=lambda call: (call.line, call.column))


class _Names:
    """The names of a module that have a text, or are ``audit.log`` under another name."""

    def __init__(self, module: ast.Module) -> None:
        self._texts: dict[str, str | None] = {}
        self._logs: set[str] = set()
        for node in ast.walk(module):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._add(target, node.value)
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                self._add(node.target, node.value)

    def text(self, node: ast.expr | None) -> str | None:
        """Return the text of an expression, or None."""
        return self._texts.get(node.id) if isinstance(node, ast.Name) else _text(node)

    def logs(self, function: ast.expr) -> bool:
        """Return whether a called expression logs."""
        if isinstance(function, ast.Name):
            return function.id in self._logs or function.id == "audited"
        if not isinstance(function, ast.Attribute):
            return False
        return function.attr == "audited" or _is_audit_method(function)

    def _add(self, target: ast.expr, value: ast.expr) -> None:
        if not isinstance(target, ast.Name):
            return
        if isinstance(value, ast.Attribute) and _is_audit_method(value):
            self._logs.add(target.id)
        # A name with two meanings has none here.
        text = _text(value) if target.id not in self._texts else None
        self._texts[target.id] = text


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _is_audit_method(node: ast.Attribute) -> bool:
    owner = node.value
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return node.attr in _METHODS and name == "audit"


def _call(node: ast.Call, names: _Names) -> LogCall | None:
    event_type = _argument(node, 0, "event_type")
    if event_type is None:
        return None  # nothing of the event is here: log(*arguments)
    is_decorator = not isinstance(node.func, ast.Attribute) and getattr(node.func, "id", "") == "audited"
    is_decorator = is_decorator or getattr(node.func, "attr", "") == "audited"
    payload = None if is_decorator else _argument(node, 1, "payload")
    return LogCall(names.text(event_type), _members(payload), event_type.lineno, event_type.col_offset + 1)


def _argument(node: ast.Call, position: int, name: str) -> ast.expr | None:
    if any(isinstance(argument, ast.Starred) for argument in node.args[: position + 1]):
        return None
    if len(node.args) > position:
        return node.args[position]
    return next((keyword.value for keyword in node.keywords if keyword.arg == name), None)


def _members(payload: ast.expr | None) -> tuple[str, ...] | None:
    if not isinstance(payload, ast.Dict):
        return None
    names = [key.value for key in payload.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
    return tuple(names) if len(names) == len(payload.keys) else None
