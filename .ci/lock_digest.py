"""Print the SHA-256 of everything in pyproject.toml that the lock files depend on.

``make lock`` writes it beside the lock files and ``make check`` compares: a changed requirement with an unchanged lock
file is found without asking any package index.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tomllib
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Print the digest."""
    whole = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    project = whole["project"]
    wanted = [
        sorted(whole["build-system"]["requires"]),
        project["requires-python"],
        sorted(project["dependencies"]),
        {extra: sorted(names) for extra, names in project["optional-dependencies"].items()},
        {group: sorted(names) for group, names in whole["dependency-groups"].items()},
    ]
    sys.stdout.write(hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest() + "\n")


main()
