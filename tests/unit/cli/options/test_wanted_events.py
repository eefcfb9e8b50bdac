"""Ids of events come from the command line and from a file; both are checked before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.cli.options.wanted_events import MAX_EVENTS, wanted_events
from telemetry.exceptions import ConfigurationError

IDS = [f"0198c0de-0000-7000-8000-{number:012d}" for number in range(MAX_EVENTS + 1)]


def written(folder: Path, content: bytes) -> Path:
    file = folder / "ids.txt"
    file.write_bytes(content)
    return file


def test_each_id_once_in_its_order(tmp_path: Path) -> None:
    file = written(tmp_path, f"{IDS[2]}\r\n\n  {IDS[0]}\n{IDS[2]}".encode())
    assert wanted_events([IDS[1], IDS[0]], file) == [IDS[1], IDS[0], IDS[2]]


def test_malformed_lines_are_named(tmp_path: Path) -> None:
    file = written(tmp_path, f"{IDS[0]}\n../etc/passwd\n\xff\xfe\n".encode("latin-1"))
    with pytest.raises(ConfigurationError) as caught:
        wanted_events([], file)
    assert ["line 2 of" in str(problem) for problem in caught.value.problems] == [True, False]
    assert "line 3 of" in str(caught.value.problems[1])


def test_malformed_argument() -> None:
    with pytest.raises(ConfigurationError, match="EVENT_ID"):
        wanted_events([IDS[0], IDS[0].upper()], None)


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_no_id_at_all(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigurationError, match="is missing"):
        wanted_events([], written(tmp_path, content))


def test_number_is_bounded(tmp_path: Path) -> None:
    assert len(wanted_events([], written(tmp_path, "\n".join(IDS[:-1]).encode()))) == MAX_EVENTS
    with pytest.raises(ConfigurationError, match="more than 1,000"):
        wanted_events(IDS, None)


def test_endless_file_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="larger than"):
        wanted_events([], Path("/dev/zero"))


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        wanted_events([], tmp_path / "absent")
