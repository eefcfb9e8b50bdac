from __future__ import annotations

import hashlib
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest

from telemetry.evidence.build import files as module
from telemetry.evidence.build.files import PackFiles
from telemetry.evidence.pack.archive import Archive
from telemetry.exceptions import ConfigurationError


def test_files_are_written_in_the_order_of_the_form() -> None:
    target = BytesIO()
    with closing(PackFiles()) as files:
        for name in ("verification.json", "index.html", "keys.txt"):
            files.add(name, name.encode())
        size = files.write(target, manifest=b"{}", note=b"note")
        facts = [(each.name, each.size, each.sha256) for each in files.facts]
    archive = Archive(target)
    assert archive.names == ["index.html", "keys.txt", "verification.json", "manifest.json", "manifest.note"]
    assert archive.read("keys.txt") == b"keys.txt"
    assert size == len(target.getvalue())
    assert facts == [
        (name, len(name), hashlib.sha256(name.encode()).hexdigest())
        for name in ("index.html", "keys.txt", "verification.json")
    ]


def test_unsigned_pack_has_no_note() -> None:
    target = BytesIO()
    with closing(PackFiles()) as files:
        files.write(target, manifest=b"{}", note=None)
    assert Archive(target).names == ["manifest.json"]


def test_pack_that_grows_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROOM", 100)
    with closing(PackFiles()) as files:
        files.add("index.html", bytes(60))
        with pytest.raises(ConfigurationError, match="larger than 100 bytes"):
            files.add("keys.txt", bytes(60))


def test_contents_have_no_name_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with closing(PackFiles()) as files:
        files.add("index.html", b"content")
        assert list(tmp_path.iterdir()) == []
        assert files.read("index.html") == b"content"
