"""Finds calls in Python files that log what a catalogue does not declare, without running anything."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from telemetry.catalog.described.calls import LogCall, calls_of
from telemetry.catalog.described.described_catalog import DescribedCatalog, DescribedType
from telemetry.catalog.schema import resolved

MAX_FILE_BYTES = 4 << 20
_SKIPPED = frozenset(("node_modules", "site-packages", "__pycache__", "venv", "build", "dist"))


class Finding(NamedTuple):
    """A call that is wrong, or a file that cannot be read.

    Attributes:
        file: The file.
        line: Line of the call, from 1.
        column: Column of the event type, from 1.
        text: What is wrong.
    """

    file: str
    line: int
    column: int
    text: str


class Linted(NamedTuple):
    """What was found.

    Attributes:
        findings: In the order of files and lines.
        files: How many files were read.
        calls: How many calls were checked.
        unclear: Places of calls whose type is not a text in the file.
    """

    findings: list[Finding]
    files: int
    calls: int
    unclear: list[Finding]


def lint(catalog: DescribedCatalog, paths: Sequence[Path]) -> Linted:
    """Check the calls of every Python file at or below some paths.

    Args:
        catalog: The declared types.
        paths: Files and folders; hidden folders and those of installed packages are passed over.

    Raises:
        FileNotFoundError: A path does not exist.
    """
    found = Linted([], 0, 0, [])
    files = calls = 0
    for path in _files(paths):
        files += 1
        try:
            tree = _parsed(path)
        except (SyntaxError, ValueError, OSError, RecursionError, MemoryError) as exc:
            found.findings.append(Finding(str(path), getattr(exc, "lineno", None) or 1, 1, "cannot be read as Python"))
            continue
        for call in calls_of(tree):
            calls += 1
            if call.event_type is None:
                found.unclear.append(_finding(path, call, "the type is no text in this file"))
                continue
            found.findings.extend(_finding(path, call, text) for text in _faults(catalog, call, call.event_type))
    return found._replace(files=files, calls=calls)


def _faults(catalog: DescribedCatalog, call: LogCall, event_type: str) -> Iterator[str]:
    kind = catalog.types.get(event_type)
    if kind is None:
        near = difflib.get_close_matches(event_type, catalog.types, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        yield f"{event_type!r} is not declared{hint}"
    elif call.members is not None:
        yield from _wrong_members(kind, call.members)


def _wrong_members(kind: DescribedType, given: Sequence[str]) -> Iterator[str]:
    schema = resolved(kind.schema, kind.schema.get("$defs", {}))
    known: dict[str, Any] = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in given:
            yield f"{kind.name!r} lacks the member {name!r}"
    if schema.get("additionalProperties") is not False:
        return
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield f"{kind.name!r} has no member {name!r}{hint}"


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from sorted(each for each in path.rglob("*.py") if _is_own(each.relative_to(path)))
        else:
            raise FileNotFoundError(path)


def _is_own(path: Path) -> bool:
    return not any(part.startswith(".") or part in _SKIPPED for part in path.parts)


def _parsed(path: Path) -> ast.Module:
    with path.open("rb") as file:
        source = file.read(MAX_FILE_BYTES + 1)
    if len(source) > MAX_FILE_BYTES:
        message = "larger than any source file"
        raise ValueError(message)
    return ast.parse(source)


def _finding(path: Path, call: LogCall, text: str) -> Finding:
    return Finding(str(path), call.line, call.column, text)
