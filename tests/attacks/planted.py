"""Plants objects in a fallback store of the kind ``local_file``, with names, digests and counts that are right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from telemetry.format.objects.fallback_object import StoredRecord, encode_object
from telemetry.format.objects.stored_name import object_name
from telemetry.reader import RawRecord
from telemetry.testing import EmbeddedKafka
from tests.attacks.forge import TOPIC
from tests.attacks.site import Site

DAY = "2026/01/31"


def name_of(number: int, *, producer: str, first: int | None, last: int | None) -> str:
    """Return the name of the object that was stored as the given one on a day."""
    created = f"0198c0de-1111-7222-8333-{number:012x}"
    return object_name(TOPIC, created_uuid7=created, day=DAY, producer=producer, first=first, last=last)


def plant(store: Path, records: Sequence[StoredRecord], *, producer: str, number: int = 0) -> Path:
    """Write an object and return its path.

    Args:
        store: The store's folder.
        records: Records of the object.
        producer: Producer that its header and its name state.
        number: Makes names differ.
    """
    numbers = [record.sequence for record in records if record.sequence is not None]
    first, last = (min(numbers), max(numbers)) if numbers else (None, None)
    content = encode_object(records, topic=TOPIC, producer=producer, reason="unreachable")
    return put(store, name_of(number, producer=producer, first=first, last=last), content)


def put(store: Path, name: str, content: bytes) -> Path:
    """Write any bytes under any name; the folders are those of a store in use."""
    path = store / name
    for folder in reversed([parent for parent in path.parents if not parent.exists()]):
        folder.mkdir(mode=0o700)
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def stored(records: Sequence[RawRecord], *, first: int) -> list[StoredRecord]:
    """Return records as an object has them; their sequences begin with ``first`` and rise by one."""
    return [
        StoredRecord(record.key or b"", record.value or b"", number)
        for number, record in enumerate(records, start=first)
    ]


def stored_in_an_outage(site: Site, store: Path, event_types: Sequence[str], **audit: object) -> Path:
    """Have the service store events while Kafka is away; return the object that has them."""
    with EmbeddedKafka() as away:
        brokers = away.bootstrap_servers
    site.log(
        event_types,
        kafka_brokers=brokers,
        kafka_timeout_ms=100,
        max_retries=0,
        fallback_enabled=True,
        storage_config={"provider": "local_file", "base_path": str(store)},
        fallback_object_seconds=60.0,
        **audit,
    )
    found = [path for path in store.rglob("*") if path.suffix in {".tobj", ".jsonl"} and "-none-" not in path.name]
    assert len(found) == 1
    return found[0]
