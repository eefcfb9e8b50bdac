"""What is extracted from a pack is all there, or there is no folder."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from tests.support.in_process import Ended, run

PACK = Path(__file__).parent.parent / "vectors" / "evidence_pack.zip"


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    file = tmp_path / "trust.toml"
    file.write_text(json.loads(PACK.with_suffix(".json").read_text("utf-8"))["trust"])
    file.chmod(0o600)
    return file


def extract(trust: Path, folder: Path) -> Ended:
    return run("verify-evidence", str(PACK), "--trust", str(trust), "--extract", str(folder))


def test_full_disk_leaves_no_folder(trust: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
    try:
        ended = extract(trust, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert ended.code == 2
    assert "cannot be written" in ended.err
    assert list(tmp_path.iterdir()) == [trust]
    assert extract(trust, tmp_path / "out").code == 0


@pytest.mark.parametrize("name", ["x" * 300, "absent/out", "link", "trust.toml", "trust.toml/out"])
def test_folder_that_cannot_be_created(trust: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.iterdir())

    ended = extract(trust, tmp_path / name)

    assert (ended.code, sorted(tmp_path.iterdir())) == (2, before)
    assert "--extract" in ended.err


def test_unknown_auditor_is_told_what_to_do() -> None:
    key = json.loads(PACK.with_suffix(".json").read_text("utf-8"))["trust"].split('"')[1]
    ended = run("verify-evidence", str(PACK), "--public-key", key)
    assert ended.code == 3
    assert b"if you know that auditor, add the key to the trust file" in ended.out
