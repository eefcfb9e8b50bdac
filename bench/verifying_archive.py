"""Verify a made-up archive in one process and in two, in turn, beside the stock verifier: events a second.

The archive is sorted, as after a compaction, in a folder of the page cache. ``make bench-archive-verify``;
docs/archive.md has the results.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pyarrow as pa

from bench.verifying import EVERY, PARTITIONS, Signer, Stream
from telemetry.archive.files.data_file import open_data_file
from telemetry.archive.files.writing import write_data_files
from telemetry.archive.rows.records import RECORD_COLUMNS, records_of
from telemetry.archive.rows.row_maker import RowMaker
from telemetry.archive.rows.tables import sorted_table, table_of
from telemetry.archive.verifying.verification import ArchiveRequest, verify_archive
from telemetry.config import StorageConfig
from telemetry.format.archive.seal import Commit, SealedRange, SealKind
from telemetry.format.archive.seal_note import encode_seal, seal_name
from telemetry.format.archive.succession import seal_after
from telemetry.reader.entry import Place, RawRecord
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.reader.verify.verdicts import Verdict
from telemetry.reader.verify.verifier import Verifier
from telemetry.storage import StorageProvider, StorageProviderFactory

CHUNK = 20_000
TOPIC = "audit-events"
BEGAN = 1_767_300_000.0
LEAST_GAIN = 1.6
"""Bound of ``--check``: events a second of two processes by those of one."""
LEAST_SPEED = 0.9
"""Bound of ``--check``: events a second of one process by those of the stock verifier with the reading of Parquet; the process
hashes the files as well, which costs one part in twenty."""


def made_records(streams: int, events: int) -> Iterator[RawRecord]:
    """Yield the records of some producers that run side by side."""
    made = [Stream(number, events // streams) for number in range(streams)]
    notes = [stream.checkpoints() for stream in made]
    ends = [0] * PARTITIONS

    def placed(key: bytes, value: bytes, partition: int) -> RawRecord:
        place = Place(TOPIC, partition, ends[partition])
        ends[partition] += 1
        return RawRecord(key, value, place, BEGAN + sum(ends) / 1_000)

    for sequence in range(made[0].events):
        for number, stream in enumerate(made):
            yield placed(stream.key(sequence), stream.value(sequence), sequence * 37 % 100 % PARTITIONS)
            if (sequence + 1) % EVERY == 0 or sequence + 1 == stream.events:
                yield placed(stream.producer.encode(), next(notes[number]), number % PARTITIONS)


def archive(store: StorageProvider, *, streams: int, events: int) -> None:
    """Write a sorted archive of one commit."""
    maker = RowMaker(now=time.time)
    tables, chunk, ends = [], [], [0] * PARTITIONS
    for record in made_records(streams, events):
        chunk.append(maker.row_of(record))
        ends[record.place.partition or 0] += 1
        if len(chunk) == CHUNK:
            tables.append(table_of(chunk))
            chunk = []
    files = write_data_files(store, sorted_table(pa.concat_tables([*tables, table_of(chunk)])))
    ranges = tuple(SealedRange(topic=TOPIC, partition=n, first=0, end=end) for n, end in enumerate(ends) if end)
    commit = Commit(
        kind=SealKind.APPEND, added=tuple(files), ranges=ranges, starts={TOPIC: dict.fromkeys(range(PARTITIONS), 0)}
    )
    seal = seal_after(
        None,
        commit,
        time="2026-01-03T00:00:00.000000Z",
        source="/production/telemetry-archiver",
        archive="0198c0de-0000-7000-8000-00000000a2c4",
    )
    store.put(seal_name(0), encode_seal(seal, Signer()))


class Speed(NamedTuple):
    """How fast a verification was.

    Attributes:
        events: Events a second.
        cpu: Microseconds of CPU an event, of all processes.
    """

    events: float
    cpu: float


class Measured:
    """An archive in a folder, and ways to verify it."""

    def __init__(self, folder: Path, *, streams: int, events: int) -> None:
        self._storage = StorageConfig(provider="local_file", base_path=folder)
        self._events = events
        with StorageProviderFactory.create(self._storage) as store:
            archive(store, streams=streams, events=events)

    def speed(self, verify: Callable[[], int]) -> Speed:
        """Return how fast one verification is."""
        began, cpu = time.perf_counter(), _cpu()
        proven = verify()
        if proven != self._events:
            message = f"{proven} of {self._events} events are proven: this measures something else"
            raise SystemExit(message)
        return Speed(self._events / (time.perf_counter() - began), (_cpu() - cpu) / self._events * 1e6)

    def in_processes(self, jobs: int, *, is_leaves_only: bool = False) -> int:
        """Verify the archive; return how many events are proven."""
        policy = TrustPolicy.of_keys([Signer().public])
        report = verify_archive(self._storage, ArchiveRequest(policy=policy, jobs=jobs, is_leaves_only=is_leaves_only))
        if report.verdict is not Verdict.COMPLETE:
            raise SystemExit(report.reason)
        return report.total("proven")

    def stock(self) -> int:
        """Read the Parquet files into records, and give these to the stock verifier."""
        verifier = Verifier(TrustPolicy.of_keys([Signer().public]))
        with StorageProviderFactory.create(self._storage) as store:
            for entry in store.list("events/data/"):
                with open_data_file(store, entry.name) as file:
                    for batch in file.batches(RECORD_COLUMNS):
                        verifier.observe_all(list(records_of(batch, store_name="archive")))
        return verifier.report().total("proven")


def _cpu() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main() -> int:
    """Measure, and print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="fail over a bound")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="telemetry-bench-") as folder:
        measured = Measured(Path(folder) / "archive", streams=arguments.streams, events=arguments.events)
        ways: dict[str, Callable[[], int]] = {
            "stock verifier, Parquet read": measured.stock,
            "one process": lambda: measured.in_processes(1),
            "two processes": lambda: measured.in_processes(2),
            "one process, leaf hashes only": lambda: measured.in_processes(1, is_leaves_only=True),
        }
        best = dict.fromkeys(ways, Speed(0.0, 0.0))
        # In turn, so that what else the machine does hits all of them; the first round warms up.
        for _ in range(arguments.rounds + 1):
            for name, verify in ways.items():
                best[name] = max(best[name], measured.speed(verify))
    for name, speed in best.items():
        print(f"{name:32} {speed.events:12,.0f} events/s {speed.cpu:8.1f} us of CPU an event")
    stock, one, two, _ = (speed.events for speed in best.values())
    print(f"two by one {two / one:.2f}, one by stock {one / stock:.2f}, {os.cpu_count()} processors")
    return int(arguments.check and (two / one < LEAST_GAIN or one / stock < LEAST_SPEED))


if __name__ == "__main__":
    sys.exit(main())
