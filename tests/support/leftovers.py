"""Creates what a process that ended leaves behind: sealed records, a spool segment, a fallback object."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uuid_utils

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.encryptor import ClearEncoder
from telemetry.audit.producer import TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.folder_state import STATE_NAME
from telemetry.audit.spool.owner import Owner
from telemetry.audit.spool.sealing import SPOOL_PURPOSE
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.encryption.storage_secret import StorageSecret, StorageSecrets
from telemetry.format.objects.fallback_object import StoredRecord, encode_object
from telemetry.format.objects.stored_name import object_name
from telemetry.format.proof.leaves import as_text
from telemetry.format.value.message import source_of
from telemetry.storage import StorageProvider

TOPIC = "audit-events"
STORAGE_SECRET = "5a" * 32


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


def owner(
    *, is_sealed: bool, service: str = "shop", environment: str = "production", secret: str = STORAGE_SECRET
) -> Owner:
    """Return the service whose segments are left here.

    Args:
        is_sealed: Whether it has a storage secret.
        service: Its name.
        environment: Its environment.
        secret: The storage secret.
    """
    source = source_of(environment, service)
    secrets = StorageSecrets([StorageSecret.of_text(secret)])
    return Owner(TOPIC, source, StorageKeys(secrets, sources=[source]) if is_sealed else None)


def new_segment(folder: Path, producer: str, *, of: Owner | None = None, **options: Any) -> SpoolSegment:
    """Create the segment of a process of a service; without one, in the former format."""
    of = of or owner(is_sealed=False)
    key = of.keys.create(SPOOL_PURPOSE) if isinstance(of.keys, StorageKeys) else None
    values = {"topic": of.topic, "source": of.source, "key": key, **options}
    return SpoolSegment.create(folder, producer=producer, **values)


def leave_segment(
    folder: Path,
    left: Sequence[SealedRecord],
    *,
    topic: str = TOPIC,
    settled: int = 0,
    tree: TreeState | None = None,
    of: Owner | None = None,
) -> Path:
    """Write the segment of a process that was killed after it spooled these records."""
    folder.mkdir(parents=True, exist_ok=True)
    segment = new_segment(folder, left[0].producer, of=of, topic=topic)
    segment.append(left, settled_below=settled, tree=tree)
    return kill_owner(segment)


def kill_owner(segment: SpoolSegment) -> Path:
    """Leave a segment as its process leaves it when it is killed; return its path."""
    path = segment.path
    copy = path.with_name("copy")
    # Closing would move the log into the file; a killed process leaves both.
    for suffix in ("", "-wal"):
        shutil.copy2(f"{path}{suffix}", f"{copy}{suffix}")
    segment.close()
    for suffix in ("", "-wal"):
        Path(f"{copy}{suffix}").rename(f"{path}{suffix}")
    return path


def left_in(folder: Path) -> list[str]:
    """Return the names of the files in a spool folder, beside the one in which the folder itself is remembered."""
    return sorted(path.name for path in folder.iterdir() if path.name != STATE_NAME)


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
