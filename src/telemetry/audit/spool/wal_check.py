"""Whether SQLite's write-ahead log ends where its writer ended (https://sqlite.org/fileformat2.html#the_write_ahead_log)."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
from pathlib import Path
from typing import BinaryIO

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">4I8x")
_MAGIC = (0x377F0682, 0x377F0683)
_MAX_FRAMES = 1 << 20


def wal_of(path: Path) -> Path:
    """Return the name of a database's write-ahead log."""
    return path.with_name(path.name + "-wal")


def has_lost_commits(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether whole commits follow the place at which SQLite takes the log to end.

    SQLite stops at the first frame whose checksum does not fit, and does not tell. After a crash that is the torn end
    of the last commit, of which no wait has returned. Where another commit of the same log follows, the log is damaged
    in its middle.
    """
    try:
        with wal_of(path).open("rb") as log:
            header = log.read(_HEADER.size)
            size = os.fstat(log.fileno()).st_size
            if size <= _HEADER.size + _FRAME.size:
                return False
            if not _is_sound(header):
                return True
            return _commits_after(log, header, valid=_valid_frames(connection), size=size) > 1
    except FileNotFoundError:
        return False


def _valid_frames(connection: sqlite3.Connection) -> int:
    """Return how many frames SQLite takes from the log; moves them into the database on the way."""
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
        _, pages_after_commit, *found = _FRAME.unpack(log.read(_FRAME.size))
        commits += bool(pages_after_commit) and found == salts
    return commits


def _is_sound(header: bytes) -> bool:
    """Check the header's own checksum, the sum that SQLite's documentation gives."""
    words = _HEADER.unpack(header)
    if words[0] not in _MAGIC:
        return False
    order = ">" if words[0] & 1 else "<"
    first = second = 0
    summed = struct.unpack(f"{order}6I", header[:24])
    for at in range(0, len(summed), 2):
        first = (first + summed[at] + second) & 0xFFFFFFFF
        second = (second + summed[at + 1] + first) & 0xFFFFFFFF
    return (first, second) == words[6:]
