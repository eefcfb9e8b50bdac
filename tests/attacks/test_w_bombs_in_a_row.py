"""W writes bomb after bomb: if each costs a reader what the first one does, a thousand keep it busy for an hour."""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer

from telemetry.reader.sources.fetch.frames import Start
from telemetry.reader.sources.fetch.process import FetchProcess
from tests.attacks.broker_trail import BrokerTrail
from tests.attacks.measured import measured
from tests.attacks.raw_batch import write_gzip_bomb
from tests.attacks.repeated_batches import repeat_last_batches
from tests.attacks.test_w_bombs import plant_bomb
from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker
from tests.services.kafka_access import QUIET

pytestmark = pytest.mark.services

_COUNT = int(os.environ.get("BOMBS", "0"))
"""Of ``make bombs-long``, which shows what they cost; 0 in the usual run."""
_FEW = 40
_MOST_SESSIONS = 8
"""Of a client that unpacks what it gets: for the first bomb, and for what comes before and after them."""
_MOST_MEMORY = 300 << 20
_MOST_SECONDS = 60.0
_GZIP_BYTES = 400_000_000
_CODECS = ("gzip", "lz4", "snappy", "zstd")
_MIXED = "lz4, each with junk after it"


def trails_with_bombs(
    broker: KafkaBroker, folder: Path, *, count: int, kinds: tuple[str, ...] = _CODECS
) -> dict[str, BrokerTrail]:
    """Return trails with an event before and an event after ``count`` bombs, by kind; "none" has no bomb."""
    trails = {}
    for kind in ("none", *kinds):
        keys = folder / kind
        keys.mkdir()
        trails[kind] = BrokerTrail(broker, new_topic(broker, partitions=1), keys)
        trails[kind].log(["before"])
        if kind == "gzip":
            write_gzip_bomb(broker.bootstrap(), trails[kind].topic, size=_GZIP_BYTES)
        elif kind != "none":
            plant_bomb(trails[kind], "lz4" if kind == _MIXED else kind)
        if kind == _MIXED:
            junk = Producer(broker.quick_options(), logger=QUIET)
            junk.produce(trails[kind].topic, b"junk")
            assert junk.flush(60) == 0
    repeat_last_batches(broker, {trails[kind].topic: 1 + (kind == _MIXED) for kind in kinds}, times=count)
    for trail in trails.values():
        trail.log(["after"])
    return trails


def test_bombs_in_a_row_cost_few_sessions(
    own_kafka: Callable[..., KafkaBroker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trails = trails_with_bombs(own_kafka(), tmp_path, count=_FEW)
    sessions: list[Start] = []
    begin = FetchProcess.start

    def count(process: FetchProcess, start: Start) -> None:
        sessions.append(start)
        begin(process, start)

    monkeypatch.setattr(FetchProcess, "start", count)
    for codec in _CODECS:
        sessions.clear()

        ended = trails[codec].run("tail", "--json")

        assert [json.loads(line)["event_type"] for line in ended.out.splitlines()] == ["before", "after"]
        # The event and its closing checkpoint are at the offsets 0 and 1.
        places = [f"{trails[codec].topic}[0]@{2 + number}" for number in range(_FEW)]
        assert [place for place in places if place not in ended.err] == []
        assert len(sessions) <= _MOST_SESSIONS, codec


@pytest.mark.skipif(not _COUNT, reason="make bombs-long")
@pytest.mark.timeout(3_600)
def test_long_row_of_bombs_costs_a_minute(own_kafka: Callable[..., KafkaBroker], tmp_path: Path) -> None:
    trails = trails_with_bombs(own_kafka(), tmp_path, count=_COUNT, kinds=(*_CODECS, _MIXED))
    seconds, used = {}, {}
    for codec, trail in trails.items():
        begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        ended = measured("telemetry", "tail", "--json", "-c", str(trail.file), folder=tmp_path)
        seconds[codec], after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        used[codec] = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        more, memory = seconds[codec] - seconds["none"], f"{ended.peak >> 20} and {ended.fetching >> 20} MiB"
        cpu = used[codec] - used["none"]
        print(f"{_COUNT} bombs, {codec}: {more:.1f} s more, {cpu:.1f} s of CPU, {memory}")  # noqa: T201 - its purpose
        assert [json.loads(line)["event_type"] for line in ended.out.splitlines()] == ["before", "after"]
        assert ended.peak < _MOST_MEMORY
    # The CPU's time: others may be using this machine.
    assert {codec for codec, taken in used.items() if taken - used["none"] > _MOST_SECONDS} == set()
