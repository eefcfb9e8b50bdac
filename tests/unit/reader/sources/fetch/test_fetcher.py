"""Every record that can be read is read once, whatever the batches between them do to the client that unpacks them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry.config import AuditConfig
from telemetry.reader import DamagedRecord, KafkaSource, RawRecord, ReadRange
from telemetry.reader.sources.fetch import fetcher as fetcher_module
from telemetry.reader.sources.fetch.fetcher import BadRange, Fetcher
from telemetry.reader.sources.fetch.frames import Exhausted, FetchedRecord, Report
from telemetry.reader.sources.fetch.process import FetchProcess, LocalFetch
from telemetry.testing import EmbeddedKafka
from tests.support.batches import clear_config, write_batch
from tests.support.until import until

_MB = 1_000_000
# Larger than the memory of a fetching process, or than what a client accepts: by codec.
_BOMBS = {"zstd": 60 * _MB, "lz4": 200 * _MB, "gzip": 200 * _MB}
_SMALL_BOMB = 110 * _MB
"""Fits into the memory once: many of these fit into what an embedded Kafka keeps."""
Found = list[tuple[int, int, bytes | None]]


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(topic="events", partitions=3) as kafka:
        yield kafka


def write(kafka: EmbeddedKafka, *values: bytes, codec: str = "none", partition: int = 0) -> None:
    write_batch(kafka.bootstrap_servers, "events", list(values), codec=codec, partition=partition)


def bomb(kafka: EmbeddedKafka, codec: str, *, records: int = 1, partition: int = 0, size: int = 0) -> None:
    size = (size or _BOMBS[codec]) // records
    write(kafka, *[bytes(size)] * records, codec=codec, partition=partition)


def read(config: AuditConfig, **within: Any) -> tuple[Found, list[tuple[int, str]]]:
    """Return the records by place, and the first offset of each damage with what is said of it."""
    found: Found = []
    damaged = []
    with KafkaSource(config, within=ReadRange(**within)) as source:
        for record in source:
            if isinstance(record, DamagedRecord):
                damaged.append((record.place.offset, str(record.error)))
            else:
                found.append((record.place.partition or 0, record.place.offset, record.value))
    return found, damaged


@pytest.mark.parametrize(("codec", "records"), [("zstd", 1), ("zstd", 9), ("lz4", 1), ("lz4", 9), ("gzip", 1)])
def test_bomb_is_passed_over(kafka: EmbeddedKafka, codec: str, records: int) -> None:
    write(kafka, b"before", b"before")
    bomb(kafka, codec, records=records)
    write(kafka, b"after")

    found, damaged = read(clear_config(kafka.bootstrap_servers))

    assert found == [(0, 0, b"before"), (0, 1, b"before"), (0, 2 + records, b"after")]
    ((offset, text),) = damaged
    assert offset == 2
    assert ("offset 2 " if records == 1 else f"offsets 2 to {1 + records} ") in text
    assert codec in text


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_records_between_bombs_are_read(kafka: EmbeddedKafka, codec: str) -> None:
    # A search that skipped from a bad offset to a good one would skip those between them.
    layout = "bbgbgggbbbbgbbg"
    for number, kind in enumerate(layout):
        if kind == "b":
            bomb(kafka, codec, size=_SMALL_BOMB)
        else:
            write(kafka, b"%d" % number)

    found, damaged = read(clear_config(kafka.bootstrap_servers))

    assert found == [(0, number, b"%d" % number) for number, kind in enumerate(layout) if kind == "g"]
    assert [offset for offset, _ in damaged] == [number for number, kind in enumerate(layout) if kind == "b"]


def test_bomb_in_each_partition(kafka: EmbeddedKafka) -> None:
    for partition, codec in enumerate(("lz4", "zstd", "lz4")):
        write(kafka, b"before", partition=partition)
        bomb(kafka, codec, partition=partition, size=_SMALL_BOMB)
        write(kafka, b"after", partition=partition)

    found, damaged = read(clear_config(kafka.bootstrap_servers))

    assert sorted(found) == [
        (part, offset, text) for part in range(3) for offset, text in ((0, b"before"), (2, b"after"))
    ]
    assert [offset for offset, _ in damaged] == [1, 1, 1]


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_bomb_is_the_last_batch(kafka: EmbeddedKafka, codec: str) -> None:
    write(kafka, b"before")
    bomb(kafka, codec, size=_SMALL_BOMB)

    found, damaged = read(clear_config(kafka.bootstrap_servers))

    assert found == [(0, 0, b"before")]
    assert [offset for offset, _ in damaged] == [1]


def test_millions_of_tiny_records_are_one_damage(kafka: EmbeddedKafka) -> None:
    write(kafka, b"before")
    write(kafka, *[b""] * 1_000_000, codec="gzip")
    write(kafka, b"after")

    found, damaged = read(clear_config(kafka.bootstrap_servers))

    # With the memory of this machine's client they may all be read; what matters is the record after them.
    assert found[0] == (0, 0, b"before")
    assert found[-1] == (0, 1_000_001, b"after")
    assert len(found) == 2 or not damaged


def test_record_that_is_too_large_is_named(kafka: EmbeddedKafka) -> None:
    write(kafka, b"small", bytes(20 * _MB), b"small", codec="lz4")

    found, damaged = read(clear_config(kafka.bootstrap_servers))
    assert [value for _, _, value in found] == [b"small", b"small"]
    assert [offset for offset, _ in damaged] == [1]
    assert "max_event_bytes" in damaged[0][1]

    larger = clear_config(kafka.bootstrap_servers).model_copy(update={"max_event_bytes": 32 << 20})
    found, damaged = read(larger)
    assert [len(value or b"") for _, _, value in found] == [5, 20 * _MB, 5]
    assert damaged == []


def test_range_ends_inside_a_bad_batch(kafka: EmbeddedKafka) -> None:
    bomb(kafka, "zstd", records=10)
    write(kafka, b"after")

    found, damaged = read(clear_config(kafka.bootstrap_servers), offset=3, end_offset=6)

    assert found == []
    assert damaged[0][0] == 3
    assert "offsets 3 to 5 " in damaged[0][1]


def _exhausted(monkeypatch: pytest.MonkeyPatch) -> list[Report]:
    """Return a list that will have a report of each session that used up its memory."""
    exhausted: list[Report] = []
    next_report = FetchProcess.next_report

    def watched(process: FetchProcess) -> Report:
        report = next_report(process)
        if isinstance(report, Exhausted):
            exhausted.append(report)
        return report

    monkeypatch.setattr(FetchProcess, "next_report", watched)
    return exhausted


def test_follower_meets_one_bomb_only(kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    exhausted = _exhausted(monkeypatch)
    found: list[bytes | int | None] = []

    def follow() -> None:
        found.extend(one.place.offset if isinstance(one, DamagedRecord) else one.value for one in source)

    with KafkaSource(clear_config(kafka.bootstrap_servers), within=ReadRange(offset=0, follow=True)) as source:
        thread = threading.Thread(target=follow)
        thread.start()
        for number in range(0, 8, 2):
            bomb(kafka, "lz4", size=_SMALL_BOMB)
            write(kafka, b"after", partition=0)
            write(kafka, b"beside", partition=1)
            until(lambda: len(found) == 3 * (number // 2 + 1), what="the bomb and two records")  # noqa: B023
        source.stop()
        thread.join()

    assert [one for one in found if one != b"beside"] == [0, b"after", 2, b"after", 4, b"after", 6, b"after"]
    assert len(exhausted) == 1


def test_held_partition_is_still_read_carefully(kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    # Two bombs in each partition, in turn: while one is read carefully, the others are ahead of it, or behind.
    exhausted = _exhausted(monkeypatch)
    for _ in range(2):
        for partition in range(3):
            bomb(kafka, "lz4", size=_SMALL_BOMB, partition=partition)
            write(kafka, *[b"%d" % partition] * 50, partition=partition)
    config = clear_config(kafka.bootstrap_servers)
    with KafkaSource(config) as source:
        fetcher = Fetcher(
            source._template(dict.fromkeys(range(3), (0, 102))),
            ends=dict.fromkeys(range(3), 102),
            peek=source._peek,
            listener=source._client,
        )
        found: list[FetchedRecord] = []
        damaged = []
        for number, fetched in enumerate(fetcher):
            if isinstance(fetched, BadRange):
                damaged.append((fetched.partition, fetched.first))
            else:
                found.extend(fetched.records)
            # Another one is ahead after each report.
            fetcher.hold([number % 3])
        fetcher.close()

    assert sorted(damaged) == [(partition, offset) for partition in range(3) for offset in (0, 51)]
    for partition in range(3):
        places = [record[1] for record in found if record[0] == partition]
        assert places == [*range(1, 51), *range(52, 102)]
    assert len(exhausted) <= 3


def test_killed_session_loses_and_repeats_nothing(kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    total = 3_000
    for number in range(0, total, 100):
        write(kafka, *[b"%d" % one for one in range(number, number + 100)])
    processes = _remembered(monkeypatch)
    found = []

    with KafkaSource(clear_config(kafka.bootstrap_servers)) as source:
        for record in source:
            assert isinstance(record, RawRecord)
            found.append(record.value)
            if len(found) in (1, 500, 1_500):
                for session in _children(processes[0]):
                    os.kill(session, signal.SIGKILL)

    assert found == [b"%d" % number for number in range(total)]


def _remembered(monkeypatch: pytest.MonkeyPatch) -> list[FetchProcess]:
    """Return a list that will have the processes that are started."""
    processes: list[FetchProcess] = []

    def start() -> FetchProcess:
        processes.append(FetchProcess())
        return processes[-1]

    monkeypatch.setattr(fetcher_module, "open_process", start)
    return processes


def _children(process: FetchProcess) -> list[int]:
    path = Path(f"/proc/{process.process_id}/task/{process.process_id}/children")
    return [int(pid) for pid in path.read_text().split()]


def test_no_process_outlives_its_source(kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    write(kafka, *[b"x" * 1_000] * 5_000)
    processes = _remembered(monkeypatch)

    with KafkaSource(clear_config(kafka.bootstrap_servers)) as source:
        records = iter(source)
        next(records)
        sessions = _children(processes[0])
        records.close()  # type: ignore[attr-defined]

    assert len(sessions) == 1
    until(lambda: not Path(f"/proc/{sessions[0]}").exists(), what="the end of the session")
    assert not Path(f"/proc/{processes[0].process_id}").exists()


def test_without_a_process_reading_works(kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher_module, "open_process", LocalFetch)
    write(kafka, b"before")
    bomb(kafka, "zstd")
    write(kafka, b"after")

    found, damaged = read(clear_config(kafka.bootstrap_servers))

    assert [value for _, _, value in found] == [b"before", b"after"]
    assert len(damaged) == 1
