"""Turns a payload into a tree that a page can show: bounded in size and depth, and honest about what it leaves out."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from telemetry.pages.event.json_text import json_text

MAX_NODES = 2_000
"""Nodes of one tree."""
MAX_CHILDREN = 200
"""Members of one object, or items of one list, that are shown."""
MAX_DEPTH = 24
"""Levels that are shown."""
_MAX_NAME = 300
_MAX_TEXT = 20_000
_MAX_TEXTS = 100_000
"""Characters of all values of one tree: hidden ones are each an element of the page."""


@dataclass(slots=True, kw_only=True)
class Node:
    """One value of a payload.

    Attributes:
        name: Name of the member or number of the item; empty for the payload itself. Text from outside.
        kind: What it is: ``text``, ``number``, ``true or false``, ``null``, ``object, 3 members``, ``list, 2 items``.
        text: The value, for one without children. Text from outside.
        children: Values inside it.
        left_out: Says how many of them are not shown; empty if all are.
    """

    name: str = ""
    kind: str = ""
    text: str = ""
    children: list[Node] = field(default_factory=list)
    left_out: str = ""

    def __repr__(self) -> str:
        return f"Node(kind={self.kind!r})"


def tree(value: Any) -> Node:
    """Return a payload as a tree of at most :data:`MAX_NODES` nodes.

    Args:
        value: Any JSON value.
    """
    root = Node()
    room, letters = MAX_NODES - 1, _MAX_TEXTS
    # Level by level: one huge member must not use up the room of its neighbours.
    waiting: deque[tuple[Node, Any, int]] = deque([(root, value, 1)])
    while waiting:
        node, current, depth = waiting.popleft()
        node.kind = _kind(current)
        if not isinstance(current, dict | list) or not current:
            node.text = "" if isinstance(current, dict | list) else _text(current, room=letters)
            letters -= len(node.text)
            continue
        most = 0 if depth >= MAX_DEPTH else min(MAX_CHILDREN, room)
        for name, inside in islice(_members(current), most):
            child = Node(name=str(name)[:_MAX_NAME])
            node.children.append(child)
            waiting.append((child, inside, depth + 1))
        room -= len(node.children)
        missing = len(current) - len(node.children)
        if missing:
            node.left_out = f"{missing:,} more {'members' if isinstance(current, dict) else 'items'} are not shown"
    return root


def _text(value: Any, *, room: int) -> str:
    text = json_text(value, most=_MAX_TEXT)
    return text if len(text) <= room else "(not shown: the texts of this event are too long for a page)"


def _members(value: dict[str, Any] | list[Any]) -> Any:
    return value.items() if isinstance(value, dict) else enumerate(value)


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return f"object, {len(value):,} {'member' if len(value) == 1 else 'members'}"
    if isinstance(value, list):
        return f"list, {len(value):,} {'item' if len(value) == 1 else 'items'}"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    return "text" if isinstance(value, str) else "number"
