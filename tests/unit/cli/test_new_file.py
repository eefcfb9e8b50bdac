"""The file that an option names: created whole, and an error names the option and what to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from telemetry.cli.output.new_file import new_file
from telemetry.exceptions import ConfigurationError


def write(target: Path, *, replace: bool = False, has_force: bool = False) -> None:
    with new_file(target, replace=replace, option="--report", has_force=has_force) as stream:
        stream.write(b"ours")


def test_file_appears_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with new_file(target, replace=False) as stream:
        stream.write(b"content")
        assert not target.exists()

    assert target.read_bytes() == b"content"
    assert list(tmp_path.iterdir()) == [target]


def test_file_created_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "out"

    with pytest.raises(ConfigurationError, match="exists already"), new_file(target, replace=False):
        target.write_bytes(b"theirs")

    assert target.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("has_force", [True, False])
def test_force_is_named_only_where_it_exists(tmp_path: Path, *, has_force: bool) -> None:
    (tmp_path / "out").touch()

    with pytest.raises(ConfigurationError, match=r"--report.*exists already") as refused:
        write(tmp_path / "out", has_force=has_force)

    assert ("--force" in str(refused.value)) is has_force


def test_link_in_place_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"theirs")
    (tmp_path / "out").symlink_to(secret)

    with pytest.raises(ConfigurationError, match=r"symbolic link.*name the file that it leads to"):
        write(tmp_path / "out", replace=True)

    assert secret.read_bytes() == b"theirs"


def test_folder_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be written.*choose another place"):
        write(tmp_path / "nowhere" / "out")


def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    def write_to_full_disk(stream: BinaryIO) -> None:
        stream.write(b"ours")
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, stream.fileno())
        os.close(full)

    with pytest.raises(ConfigurationError, match="No space left"), new_file(tmp_path / "out", replace=False) as stream:
        write_to_full_disk(stream)

    assert list(tmp_path.iterdir()) == []
