"""Creates what a process that ended leaves behind: sealed records, a spool segment, a fallback object."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import uuid_utils

from telemetry.audit.accept.draft import EventFactory
from telemetry.audit.accept.encryptor import ClearEncoder
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.format.objects.fallback_object import StoredRecord, encode_object
from telemetry.format.objects.stored_name import object_name
from telemetry.format.proof.leaves import as_text
from telemetry.format.value.message import source_of
from telemetry.storage import StorageProvider


def records(
    count: int, *, producer: str | None = None, first: int = 0, size: int = 0, text: str = ""
) -> list[SealedRecord]:
    """Return records as the pipeline creates them, with encryption off; each is longer by ``size`` and by ``text``."""
    producer = producer or str(uuid_utils.uuid7())
    factory = EventFactory(service_name="shop", environment="production", version="", max_event_bytes=1 << 20)
    encoder = ClearEncoder(source=source_of("production", "shop"))
    batch = []
    for sequence in range(first, first + count):
        draft = factory.draft("login", {"n": sequence, "pad": "x" * size + text}, f"user-{sequence % 3}", {})
        batch.append(encoder.seal(draft, producer, sequence))
    return batch


def leave_segment(folder: Path, left: Sequence[SealedRecord], *, topic: str = "audit-events", settled: int = 0) -> Path:
    """Write the segment of a process that was killed after it spooled these records."""
    folder.mkdir(parents=True, exist_ok=True)
    segment = SpoolSegment.create(
        folder, producer=left[0].producer, topic=topic, source=source_of("production", "shop")
    )
    segment.append(left, settled_below=settled, tree=None)
    path = segment.path
    copy = folder / "copy"
    # Closing would move the log into the file; a killed process leaves both.
    for suffix in ("", "-wal"):
        shutil.copy2(f"{path}{suffix}", f"{copy}{suffix}")
    segment.close()
    for suffix in ("", "-wal"):
        Path(f"{copy}{suffix}").rename(f"{path}{suffix}")
    return path


def stored(store: StorageProvider, part: Sequence[SealedRecord], *, topic: str = "audit-events") -> str:
    """Store records as a process does; return the object's name."""
    sequences = [record.sequence for record in part if record.sequence is not None]
    name = object_name(
        topic,
        created_uuid7=str(uuid_utils.uuid7()),
        day="2025/11/23",
        producer=part[0].producer,
        first=sequences[0],
        last=sequences[-1],
    )
    lines = [StoredRecord(record.key, record.value, record.sequence, as_text(record.leaves)) for record in part]
    store.put(name, encode_object(lines, topic=topic, producer=part[0].producer, reason="unavailable"))
    return name
