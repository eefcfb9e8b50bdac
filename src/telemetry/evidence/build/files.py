"""Collects the files of a pack outside of memory, and writes them in the order of the form."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from telemetry.evidence.pack.archive import MAX_ENTRY_BYTES, MAX_PACK_BYTES, ArchiveWriter, ByteSink
from telemetry.evidence.pack.manifest import FileFacts
from telemetry.evidence.pack.names import MANIFEST, NOTE
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.system.spill_file import SpillFile

_ROOM = MAX_PACK_BYTES - (128 << 20)
"""Bytes of all files together, so that manifest, headers and directory fit too."""


class _Kept(NamedTuple):
    start: int
    facts: FileFacts


class PackFiles:
    """The files of a pack that is being written."""

    def __init__(self) -> None:
        self._spill = SpillFile()
        self._kept: dict[str, _Kept] = {}
        self._size = 0

    def add(self, name: str, content: bytes) -> None:
        """Keep a file.

        Raises:
            ConfigurationError: It, or all of them together, are larger than a pack can be.
            StorageError: The disk is full.
        """
        self._size += len(content)
        if len(content) > MAX_ENTRY_BYTES or self._size > _ROOM:
            reason = f"the pack would be larger than {_ROOM:,} bytes, or {name} larger than {MAX_ENTRY_BYTES:,}"
            raise ConfigurationError(Problem("events", reason, "select fewer events"))
        facts = FileFacts(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())
        self._kept[name] = _Kept(self._spill.append(content), facts)

    def read(self, name: str) -> bytes:
        """Return a file."""
        kept = self._kept[name]
        return self._spill.read(kept.start, kept.facts.size)

    @property
    def facts(self) -> list[FileFacts]:
        """What the manifest lists, in the order of the names."""
        return [self._kept[name].facts for name in sorted(self._kept)]

    def write(self, target: ByteSink, *, manifest: bytes, note: bytes | None) -> int:
        """Write the pack; return its size.

        Args:
            target: Gets the bytes.
            manifest: The manifest.
            note: Its note; None where nobody signs.
        """
        archive = ArchiveWriter(target)
        for name in sorted(self._kept):
            archive.add(name, self.read(name))
        archive.add(MANIFEST, manifest)
        if note is not None:
            archive.add(NOTE, note)
        archive.close()
        return archive.size

    def close(self) -> None:
        """Forget everything."""
        self._spill.close()
