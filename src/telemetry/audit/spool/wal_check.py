"""Finds commits that SQLite would silently drop from a damaged write-ahead log.

Format: https://sqlite.org/fileformat2.html#the_write_ahead_log
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import struct
from pathlib import Path
from typing import BinaryIO

from telemetry.system.durable_file import durable_file

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">4I8x")
_MAGIC = (0x377F0682, 0x377F0683)
_MAX_FRAMES = 1 << 20


def wal_of(path: Path) -> Path:
    """Return the name of a database's write-ahead log."""
    return path.with_name(path.name + "-wal")


def journal_of(path: Path) -> Path:
    """Return the name of a database's rollback journal."""
    return path.with_name(path.name + "-journal")


def keep_log(path: Path, kept: Path) -> None:
    """Copy the write-ahead log of a database, so that one under the name ``kept`` has it too.

    Raises:
        OSError: It cannot be copied; never through a link.
    """
    with wal_of(path).open("rb") as log, durable_file(wal_of(kept), replace=True) as copy:
        shutil.copyfileobj(log, copy)


def has_lost_commits(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether whole commits follow the place where SQLite considers the log to end.

    SQLite stops at the first frame whose checksum does not fit, and reports nothing. After a crash that is the torn end
    of the last commit, and nobody was promised that one. Where another commit of the same log follows, the log is
    damaged in its middle.
    """
    try:
        with wal_of(path).open("rb") as log:
            header = log.read(_HEADER.size)
            size = os.fstat(log.fileno()).st_size
            # 1. A log without a single whole frame has no commit to lose.
            if size <= _HEADER.size + _FRAME.size:
                return False
            # 2. With a bad header SQLite ignores the whole log.
            if not _is_sound(header):
                return True
            # 3. One commit after the end is the torn one; a second one was whole when it was written.
            return _commits_after(log, header, valid=_valid_frames(connection), size=size) > 1
    except FileNotFoundError:
        return False


def _valid_frames(connection: sqlite3.Connection) -> int:
    """Return how many frames SQLite accepts from the log; it moves them into the database on the way."""
    with contextlib.suppress(sqlite3.Error):
        _, frames, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return int(frames)
    return _MAX_FRAMES


def _commits_after(log: BinaryIO, header: bytes, *, valid: int, size: int) -> int:
    commits = 0
    _, _, page_size, _, *salts = _HEADER.unpack(header)[:6]
    step = _FRAME.size + page_size
    for number in range(valid, min((size - _HEADER.size) // step, _MAX_FRAMES)):
        log.seek(_HEADER.size + number * step)
        _, pages_after_commit, *frame_salts = _FRAME.unpack(log.read(_FRAME.size))
        # Frames of an earlier round of the same file have other salts: they are old, not lost.
        commits += bool(pages_after_commit) and frame_salts == salts
    return commits


def _is_sound(header: bytes) -> bool:
    """Check the header's own checksum, the sum that SQLite's documentation gives."""
    words = _HEADER.unpack(header)
    if words[0] not in _MAGIC:
        return False
    # The magic number says in which byte order the sums were computed.
    order = ">" if words[0] & 1 else "<"
    first = second = 0
    summed = struct.unpack(f"{order}6I", header[:24])
    for index in range(0, len(summed), 2):
        first = (first + summed[index] + second) & 0xFFFFFFFF
        second = (second + summed[index + 1] + first) & 0xFFFFFFFF
    return (first, second) == words[6:]
