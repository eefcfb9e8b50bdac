"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.system.durable_file import new_file


def _put(target: Path, write: Callable[[BinaryIO], object], *, replace: bool = False) -> None:
    with new_file(target, replace=replace) as stream:
        stream.write(b"ours")
        write(stream)


def test_nothing_is_there_before_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with new_file(target, replace=False) as stream:
        stream.write(b"content")
        assert not target.exists()
        (part,) = tmp_path.iterdir()
        assert part.stat().st_mode & 0o777 == 0o600

    assert target.read_bytes() == b"content"
    assert list(tmp_path.iterdir()) == [target]


def test_what_came_in_between_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "out"

    with pytest.raises(ConfigurationError, match="exists already"):
        _put(target, lambda _: target.write_bytes(b"theirs"))

    assert target.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"old")

    def fail(_: BinaryIO) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        _put(target, fail, replace=True)

    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    def fill_the_disk(stream: BinaryIO) -> None:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, stream.fileno())
        os.close(full)

    with pytest.raises(ConfigurationError, match="No space left"):
        _put(tmp_path / "out", fill_the_disk)

    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "out"
    with new_file(target, replace=False) as stream:
        stream.write(b"content")

    assert target.read_bytes() == b"content"
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [target]
