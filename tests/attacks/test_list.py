"""Compares the list of attacks in the package's docstring with the tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import tests.attacks

FOLDER = Path(__file__).parent
_ROW = re.compile(r"[ \d][.\d]{0,3}\d? +.*?  (test_[a-z_]+)(?:: (.*))?")


def listed() -> dict[str, list[str]]:
    """Return the words by which the list names the tests of each file; empty words stand for the whole file."""
    files: dict[str, list[str]] = {}
    for line in (tests.attacks.__doc__ or "").splitlines():
        row = _ROW.fullmatch(line)
        if row is not None:
            files.setdefault(row[1], []).extend((row[2] or "").split(", "))
    return files


def names_in(file: str) -> list[str]:
    tree = ast.parse((FOLDER / f"{file}.py").read_text("utf-8"))
    return [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


def test_every_listed_attack_has_its_test() -> None:
    absent = [
        f"{file}: {word}"
        for file, words in listed().items()
        for word in words
        if not any(word in name for name in names_in(file))
    ]

    assert not absent


def test_every_file_of_attacks_is_listed() -> None:
    files = {path.stem for pattern in ("test_?_*.py", "test_further_*.py") for path in FOLDER.glob(pattern)}

    assert files == set(listed())
