"""A verdict stays what it is if nobody reads the output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.evidence_site import unpacked

PACK = Path(__file__).parent.parent / "vectors" / "evidence_pack.zip"


def exit_code(*arguments: str) -> int:
    """Return how the command ends where its standard output is a pipe without a reader."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-c", "from telemetry.cli import main; main()", *arguments],
            stdout=writing,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            check=False,
        )
    finally:
        os.close(writing)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.returncode


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    file = tmp_path / "trust.toml"
    file.write_text(json.loads(PACK.with_suffix(".json").read_text("utf-8"))["trust"])
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(("altered", "code"), [(False, 0), (True, 3)])
def test_pack_keeps_its_exit_code(trust: Path, tmp_path: Path, altered: bool, code: int) -> None:
    data = PACK.read_bytes()
    pack = tmp_path / "pack.zip"
    pack.write_bytes(data.replace(b'"success"', b'"succesS"', 1) if altered else data)
    assert exit_code("verify-evidence", str(pack), "--trust", str(trust), "--json") == code


def test_files_behind_it_are_not_called_proven(trust: Path, tmp_path: Path) -> None:
    proofs = [content for name, content in unpacked(PACK.read_bytes()).items() if name.startswith("proofs/")]
    files = [tmp_path / f"{number}.json" for number in range(2)]
    files[0].write_bytes(proofs[0])
    files[1].write_bytes(b"{}")
    assert exit_code("verify-proof", *map(str, files), "--trust", str(trust), "--json") != 0
