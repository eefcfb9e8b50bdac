"""Writes archives of sealed files by hand: data files are any bytes, the seals are real."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from telemetry.format.archive.live_files import LiveFiles
from telemetry.format.archive.seal import Commit, SealedFile, SealedRange, SealKind
from telemetry.format.archive.seal_note import encode_seal
from telemetry.format.archive.succession import ArchiveState, seal_after
from telemetry.reader.seals.store import SealStore, StoredSeal
from telemetry.storage import StorageProvider
from tests.support.written_trail import START, TOPIC, Signer

ARCHIVER = Signer(9, "archiver")
SOURCE = "/test/telemetry-archiver"
ARCHIVE = "018f3b1c-0000-7000-8000-00000000a000"
DAY = "2026-01-02"


def data_name(number: int, day: str = DAY) -> str:
    """Return the name of a data file."""
    return f"events/data/day={day}/018f3b1c-0000-7000-8000-{number:012d}-0.parquet"


class SealedArchive:
    """An archive in a store; each commit has the next number.

    Args:
        store: The store.
        signer: Signs the seals.

    Attributes:
        state: The archive after its last commit; None before the first.
        clock: Time of the last seal.
    """

    def __init__(self, store: StorageProvider, *, signer: Signer = ARCHIVER) -> None:
        self.store = store
        self.seals = SealStore(store)
        self.signer = signer
        self.state: ArchiveState | None = None
        self.clock = START
        self._files = 0
        self._next = 0

    def file(self, rows: int = 10, *, day: str = DAY) -> SealedFile:
        """Put a data file that no seal names yet."""
        self._files += 1
        name, data = data_name(self._files, day), b"rows of file %d" % self._files
        self.store.put(name, data)
        return SealedFile(name=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data), rows=rows, day=day)

    def append(self, rows: int = 10, **parts: Any) -> StoredSeal:
        """Commit a new file with the next offsets of partition 0."""
        offsets = SealedRange(topic=TOPIC, partition=0, first=self._next, end=self._next + rows)
        commit = Commit(kind=SealKind.APPEND, added=(self.file(rows),), **{"ranges": (offsets,), **parts})
        stored = self.commit(commit)
        self._next += rows
        return stored

    def compact(self, *names: str) -> StoredSeal:
        """Commit one file in place of others."""
        assert self.state is not None
        rows = sum(self.state.live[name].file.rows for name in names)
        return self.commit(Commit(kind=SealKind.COMPACT, added=(self.file(rows),), removed=names))

    def commit(self, commit: Commit, *, signer: Signer | None = None) -> StoredSeal:
        """Commit, five minutes after the commit before."""
        self.clock += timedelta(minutes=5)
        time = self.clock.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        seal = seal_after(self.state, commit, time=time, source=SOURCE, archive=ARCHIVE)
        stored = self.seals.create(seal.number, encode_seal(seal, signer or self.signer))
        live = self.state.live if self.state is not None else LiveFiles()
        self.state = ArchiveState(seal, stored.digest, live.after(seal))
        return stored
