"""Reads the Containerfile: its instructions, and what of this repository gets into an image."""

from __future__ import annotations

import json
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from tests.support.chart import ROOT

FOLDER = ROOT / "deploy" / "container"


class Instruction(NamedTuple):
    """A line of a Containerfile.

    Attributes:
        stage: Number of its stage, from 0; -1 before the first.
        name: Such as ``RUN``.
        text: What follows.
    """

    stage: int
    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """The words of an instruction in the exec form."""
        found: list[str] = json.loads(self.text)
        return found


def instructions() -> list[Instruction]:
    """Return all instructions of the Containerfile."""
    text = re.sub(r"\\\n\s*", "", (FOLDER / "Containerfile").read_text("utf-8"))
    stage, found = -1, []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, rest = line.partition(" ")
            stage += name == "FROM"
            found.append(Instruction(stage, name, rest))
    return found


def context() -> list[str]:
    """Return the files of this repository that the build sees."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    rules = [line for line in (ROOT / ".containerignore").read_text().splitlines() if line and not line.startswith("#")]
    return [name for name in listed.splitlines() if _is_seen(name, rules)]


def _is_seen(name: str, rules: list[str]) -> bool:
    seen = True
    for rule in rules:
        pattern = rule.removeprefix("!")
        parents = [name, *(str(parent) for parent in Path(name).parents)]
        if any(fnmatch(part, pattern) or fnmatch(part, pattern.removeprefix("**/")) for part in parents):
            seen = rule.startswith("!")
    return seen
