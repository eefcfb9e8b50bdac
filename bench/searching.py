"""Search an archive of made-up events: CPU time and peak memory of finding, counting and opening; no server is needed.

``python -m bench.searching --events 1000000``; docs/archive.md has the results. One user has 20 of the events, spread over
all files and days. With ``--check`` it fails over the bounds.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.archive.files.writing import DataFileWriter
from telemetry.archive.rows.row_maker import RowMaker
from telemetry.archive.rows.tables import table_of
from telemetry.config import EncryptionConfig, StorageConfig
from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.encryption.signing_key import SigningKey
from telemetry.format.archive.seal import Commit, SealedFile, SealedRange, SealKind
from telemetry.format.archive.seal_note import encode_seal
from telemetry.format.archive.succession import seal_after
from telemetry.format.value import jwe
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.message import context_of, source_of
from telemetry.format.value.render import render, render_head, tail_of
from telemetry.reader.entry import Place, RawRecord
from telemetry.reader.seals.store import SealStore
from telemetry.storage import StorageProviderFactory

TOPIC = "audit-events"
PASSPHRASE = "correct horse battery staple"
SERVICES = ("payments", "clinic", "shop", "billing")
PRODUCERS = 16
DAYS = 8
WANTED = "user-wanted"
HITS = 20
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_SEED = AESGCM(bytes(32))


def provider(folder: Path) -> EncryptionProvider:
    """Return the key service that seals and opens the events."""
    config = EncryptionConfig(provider="local_key", key_path=folder / "key.json", passphrase=PASSPHRASE)  # type: ignore[arg-type]
    return EncryptionProviderFactory.create(config)


def build(folder: Path, events: int) -> None:
    """Write an archive: a file for each day, its rows sorted, and one seal."""
    archive = folder / "archive"
    archive.mkdir(mode=0o700)
    signer = SigningKey.create(folder / "archiver.key", PASSPHRASE, name="archiver")
    keys, added, first = provider(folder), list[SealedFile](), 0
    with StorageProviderFactory.create(StorageConfig(provider="local_file", base_path=archive)) as store:
        for day in range(DAYS):
            count = events // DAYS
            writer = DataFileWriter(store, day=(START + timedelta(days=day)).date(), rows=count)
            rows = RowMaker(now=time.time)
            made = [
                rows.row_of(record)
                for record in _records(keys, day, count, first=first, every=events // len(SERVICES) // HITS)
            ]
            writer.write(table_of(made))
            added += writer.close()
            first += count
        commit = Commit(
            kind=SealKind.APPEND,
            added=tuple(added),
            ranges=(SealedRange(topic=TOPIC, partition=0, first=0, end=first),),
            starts={TOPIC: {0: 0}},
        )
        seal = seal_after(
            None,
            commit,
            time="2026-01-12T00:00:00.000000Z",
            source=source_of("production", "telemetry-archiver"),
            archive="018f3b1c-0000-7000-8000-00000000a000",
        )
        SealStore(store).create(0, encode_seal(seal, signer))
    keys.close()


def _records(keys: EncryptionProvider, day: int, count: int, *, first: int, every: int) -> Iterator[RawRecord]:
    each = count // PRODUCERS
    for number in range(PRODUCERS):
        service = SERVICES[number % len(SERVICES)]
        source = source_of("production", service)
        key = keys.generate_data_key(context_of(source))
        cipher = AESGCM(key.plaintext)
        protected = jwe.protected_header(jwe.key_id(key.plaintext, key_uri=key.key_uri, wrapped=key.wrapped))
        producer = f"019b8000-0000-7000-8{day:03x}-{number:012x}"
        head = render_head(source, producer, key_uri=key.key_uri, wrapped_key=key.wrapped)
        for sequence in range(each):
            offset = first + number * each + sequence
            # The number of the event among those of its service.
            among = (first + number * each) // len(SERVICES) + sequence
            is_wanted = service == SERVICES[0] and among % every == every // 2
            event = _event(offset, day, service, producer, sequence, is_wanted=is_wanted)
            iv = offset.to_bytes(12, "big")
            data = jwe.seal(cipher, protected=protected, iv=iv, plaintext=msgspec.json.encode(event))
            kafka_key = event.key.encode()
            value = render(head, sequence=sequence, key=kafka_key, tail=tail_of(event), data=data, sealed=True)
            yield RawRecord(kafka_key, value, Place(TOPIC, 0, offset), START.timestamp() + day * 86_400)


def _event(offset: int, day: int, service: str, producer: str, sequence: int, *, is_wanted: bool) -> AuditEvent:
    # Letters that do not compress, as those of real identifiers.
    noise = _SEED.encrypt(offset.to_bytes(12, "big"), bytes(180), None).hex()
    at = START + timedelta(days=day, milliseconds=sequence)
    return AuditEvent(
        id=f"019b8000-{day:04x}-7000-8000-{offset:012x}",
        time=at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        event_type=f"order_{('read', 'deleted', 'created')[offset % 3]}",
        user_id=WANTED if is_wanted else f"user-{offset % 50_000}",
        payload={"order": offset, "note": noise},
        service_name=service,
        environment="production",
        producer=producer,
        sequence=sequence,
        schema_version=1,
        action="read",
        outcome=("success", "failure", "denied")[offset % 3],  # type: ignore[arg-type]
        clear_fields=("action", "outcome"),
    )


def measure(folder: Path) -> dict[str, float]:
    """Return the CPU seconds of each kind of search, the best of three."""
    from telemetry.archive.reading.archive import ArchiveReader  # noqa: PLC0415
    from telemetry.archive.searching.conditions import SearchedEvents  # noqa: PLC0415
    from telemetry.archive.searching.engine import SearchEngine  # noqa: PLC0415
    from telemetry.archive.searching.search import ArchiveSearch  # noqa: PLC0415
    from telemetry.config import AuditConfig, TelemetryConfig  # noqa: PLC0415
    from telemetry.reader import OpenedEvent, TrailReader  # noqa: PLC0415
    from telemetry.reader.filters import EventFilter  # noqa: PLC0415

    audit = AuditConfig(
        kafka_brokers="none.invalid:1", security_protocol="PLAINTEXT", encryption_enabled=False, fallback_enabled=False
    )
    config = TelemetryConfig(audit_config=audit)
    storage = StorageConfig(provider="local_file", base_path=folder / "archive")
    user = SearchedEvents(filter=EventFilter(users=frozenset({WANTED})))
    keys = provider(folder)

    with StorageProviderFactory.create(storage) as store:

        def search() -> ArchiveSearch:
            return ArchiveSearch(ArchiveReader(store, name="bench"), SearchEngine(store), config=config)

        def find() -> int:
            return len(search().find(user, limit=100).hits)

        def find_and_open() -> int:
            hits = search().find(user, limit=100).hits
            entries = TrailReader([hit.record for hit in hits], provider=keys)
            return sum(isinstance(entry, OpenedEvent) for entry in entries)

        def count() -> int:
            return len(search().count_by(SearchedEvents(), "type"))

        def newest() -> int:
            kinds = SearchedEvents(filter=EventFilter(types=("order_d",)))
            return len(search().find(kinds, limit=100).hits)

        wanted: dict[str, tuple[Callable[[], int], int]] = {
            "find one user's 20 events": (find, HITS),
            "find and open them": (find_and_open, HITS),
            "count by type": (count, 3),
            "the last 100 of a type": (newest, 100),
        }
        return {name: _best(step, expected) for name, (step, expected) in wanted.items()}


def _best(step: Callable[[], int], expected: int) -> float:
    times = []
    for _ in range(3):
        begun = time.process_time()
        found = step()
        times.append(time.process_time() - begun)
        if found != expected:
            message = f"{found} were found instead of {expected}"
            raise SystemExit(message)
    return min(times)


BOUNDS = {
    "find one user's 20 events": 1.0,
    "find and open them": 1.0,
    "count by type": 0.5,
    "the last 100 of a type": 1.0,
}


def main() -> None:
    """Build an archive in a temporary folder, or take one that was built, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="build it here, and take it from here the next time")
    parser.add_argument("--check", action="store_true", help="fail over the bounds")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="telemetry-bench-") as temporary:
        folder = given.folder or Path(temporary) / "bench"
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
            build(folder, given.events)
        results = measure(folder)
    for name, seconds in results.items():
        print(f"{name:32} {seconds:6.3f} s CPU")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB, {os.cpu_count()} processors")
    if given.check and any(seconds > BOUNDS[name] for name, seconds in results.items()):
        sys.exit("over the bounds")


if __name__ == "__main__":
    main()
