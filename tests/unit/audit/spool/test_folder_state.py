"""What is remembered of a spool folder, and how little an attacker gets by changing it."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from telemetry.audit.producer import TreeState
from telemetry.audit.spool.folder_state import ACCEPTED_SECONDS, STATE_NAME, FolderState
from telemetry.encryption.storage_secret import StorageSecret, StorageSecrets
from telemetry.exceptions import SpoolError

SECRETS = StorageSecrets([StorageSecret.of_bytes(bytes(32))])
PRODUCER = "018f3b1c-0000-7000-8000-000000000001"


def tree(size: int, *, producer: str = PRODUCER) -> TreeState:
    return TreeState(producer, size, b"frontier of %d" % size, size, signed_at=7)


def test_end_of_a_stream_is_remembered(tmp_path: Path) -> None:
    FolderState(tmp_path, SECRETS).note_ended(tree(5))

    ended = FolderState(tmp_path, SECRETS).ended(PRODUCER)

    assert ended is not None
    assert (ended.size, ended.frontier, ended.signed_at) == (5, b"frontier of 5", 7)
    assert ended.has_interval
    assert FolderState(tmp_path, SECRETS).ended("another") is None
    assert (tmp_path / STATE_NAME).stat().st_mode & 0o777 == 0o600 or os.name != "posix"


def test_smaller_tree_does_not_replace_a_larger(tmp_path: Path) -> None:
    state = FolderState(tmp_path, SECRETS)
    for size in (5, 3):
        state.note_ended(tree(size))

    ended = FolderState(tmp_path, SECRETS).ended(PRODUCER)

    assert ended is not None
    assert ended.size == 5


def test_stream_without_records_is_not_remembered(tmp_path: Path) -> None:
    FolderState(tmp_path, SECRETS).note_ended(tree(0))
    assert FolderState(tmp_path, SECRETS).ended(PRODUCER) is None


def test_former_secret_still_opens_it(tmp_path: Path) -> None:
    FolderState(tmp_path, SECRETS).note_ended(tree(5))
    both = StorageSecrets([StorageSecret.of_bytes(b"n" * 32), *SECRETS])

    assert FolderState(tmp_path, both).ended(PRODUCER) is not None


@pytest.mark.parametrize("content", [b"", b"{}", b"\x00" * 100, b'{"first_seen":0,"ended":[]}\n', b"x" * (2 << 20)])
def test_forged_file_is_written_anew(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    FolderState(tmp_path, SECRETS).note_ended(tree(5))
    (tmp_path / STATE_NAME).write_bytes(content)

    state = FolderState(tmp_path, SECRETS)

    assert state.ended(PRODUCER) is None
    assert not state.is_unmarked_over()
    assert "was altered" in caplog.text
    caplog.clear()
    FolderState(tmp_path, SECRETS)
    assert not caplog.text


def test_every_altered_byte_is_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    FolderState(tmp_path, SECRETS).note_ended(tree(5))
    whole = (tmp_path / STATE_NAME).read_bytes()
    for place in range(0, len(whole), 7):
        altered = bytearray(whole)
        altered[place] ^= 0x01
        (tmp_path / STATE_NAME).write_bytes(bytes(altered))
        caplog.clear()
        FolderState(tmp_path, SECRETS)
        assert "was altered" in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="Windows has neither links nor FIFOs for everyone")
@pytest.mark.parametrize("kind", ["link", "FIFO", "folder"])
def test_taken_name_is_refused(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    path = tmp_path / STATE_NAME
    if kind == "link":
        path.symlink_to(target)
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        path.mkdir()

    with pytest.raises(SpoolError, match="state"):
        FolderState(tmp_path, SECRETS)

    assert target.read_text() == "precious"


@pytest.mark.skipif(os.name != "posix", reason="without a lock nothing says whose it is")
def test_kill_while_it_was_written(tmp_path: Path) -> None:
    (tmp_path / f".{STATE_NAME}.0123456789abcdef.part").touch()
    FolderState(tmp_path, SECRETS)
    assert [path.name for path in tmp_path.iterdir()] == [STATE_NAME]


def test_acceptance_ends_after_thirty_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not FolderState(tmp_path, SECRETS).is_unmarked_over()
    later = time.time() + ACCEPTED_SECONDS + 1
    monkeypatch.setattr("telemetry.audit.spool.folder_state.time.time", lambda: later)

    assert FolderState(tmp_path, SECRETS).is_unmarked_over()


@pytest.mark.parametrize(("days", "is_over"), [(-1, True), (1, False)])
def test_configured_date_decides(tmp_path: Path, days: int, is_over: bool) -> None:
    until = datetime.now(UTC) + timedelta(days=days)
    assert FolderState(tmp_path, SECRETS, until=until).is_unmarked_over() is is_over


def test_without_a_secret_no_end_is_believed(tmp_path: Path) -> None:
    none = StorageSecrets()
    FolderState(tmp_path, none).note_ended(tree(5))
    assert FolderState(tmp_path, none).ended(PRODUCER) is None


def test_processes_end_at_the_same_time(tmp_path: Path) -> None:
    producers = [f"018f3b1c-0000-7000-8000-{number:012x}" for number in range(12)]
    states = [FolderState(tmp_path, SECRETS) for _ in producers]
    threads = [
        threading.Thread(target=state.note_ended, args=(tree(3, producer=producer),))
        for state, producer in zip(states, producers, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    state = FolderState(tmp_path, SECRETS)
    assert all(state.ended(producer) is not None for producer in producers)
