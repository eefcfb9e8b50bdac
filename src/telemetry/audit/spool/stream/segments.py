"""Creates the segments of a process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

from telemetry.audit.spool.sealing import SEALED_VERSION, SPOOL_PURPOSE
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.audit.spool.tables import MAX_FLIP_BYTES
from telemetry.format.objects.sealed_object import ContentKey


class ContentKeys(Protocol):
    """Creates content keys; ``StorageKeys`` does."""

    def create(self, purpose: bytes) -> ContentKey:
        """Return a new key; raises ``EncryptionError``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """Where the segments of a source are created, and in which form.

    Attributes:
        folder: The spool folder.
        topic: Topic of the records.
        source: CloudEvents source of the records.
        keys: Seal them; None for a service that has no key at all.
        version: Version of the format.
        flip_bytes: Size at which a table gives way to the other one.
        is_one_of_many: Whether there is a segment for each of many streams: each one then takes little of the disk.
    """

    folder: Path
    topic: str
    source: str
    keys: ContentKeys | None = None
    version: int = SEALED_VERSION
    flip_bytes: int = MAX_FLIP_BYTES
    is_one_of_many: bool = False

    def of(self, source: str) -> Self:
        """Return the same for one of many other sources."""
        return replace(self, source=source, is_one_of_many=True)

    def create(self, producer: str) -> SpoolSegment:
        """Return a new segment.

        Raises:
            SpoolError: The folder cannot be written, or the disk is full.
            EncryptionError: There is no key to seal it under now.
        """
        is_sealed = self.keys is not None and self.version == SEALED_VERSION
        return SpoolSegment.create(
            self.folder,
            producer=producer,
            topic=self.topic,
            source=self.source,
            key=self.keys.create(SPOOL_PURPOSE) if self.keys is not None and is_sealed else None,
            flip_bytes=self.flip_bytes,
            is_small=self.is_one_of_many,
        )
