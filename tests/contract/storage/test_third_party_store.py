"""The store that the documentation shows works as it is printed, with the tests that it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

_DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "providers.md"
_BLOCK = re.compile(r'^```python title="(?P<name>[a-z_]+\.py)"\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)


def printed_files() -> dict[str, str]:
    _, _, section = _DOCUMENT.read_text(encoding="utf-8").partition("\n## Storage providers\n")
    section = section.partition("\n## ")[0]
    return {block["name"]: block["text"] for block in _BLOCK.finditer(section)}


def test_printed_store_passes_the_contract(tmp_path: Path) -> None:
    files = printed_files()
    assert set(files) == {"sqlite_store.py", "test_sqlite_store.py"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    options: list[str | Path] = [
        "-q",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        "--rootdir",
        tmp_path,
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3_000:]
    assert re.search(r"^3\d passed", done.stdout, re.MULTILINE), done.stdout[-500:]


def test_printed_store_is_small() -> None:
    lines = [line for line in printed_files()["sqlite_store.py"].splitlines() if line.strip()]
    assert len(lines) <= 60
