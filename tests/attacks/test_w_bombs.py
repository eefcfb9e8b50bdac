"""W writes one record that unpacks to a thousand times its size: readers stop at it, for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.attacks.broker_trail import BrokerTrail
from tests.attacks.measured import measured
from tests.attacks.raw_batch import write_gzip_bomb
from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker
from tests.services.kafka_access import QUIET

pytestmark = pytest.mark.services

_MIB = 1 << 20
_MOST_MEMORY = 300 * _MIB
"""Peak of a reader with a bomb of 1 MB before it; a reader of an honest topic needs about a third."""

_BOMBS = {"zstd": 80 * _MIB, "lz4": 240 * _MIB, "snappy": 20 * _MIB}
"""Size of the record by codec: it unpacks to this, and the broker accepts what it is packed into."""


@pytest.fixture
def trail(kafka: KafkaBroker, tmp_path: Path) -> BrokerTrail:
    return BrokerTrail(kafka, new_topic(kafka, partitions=1), tmp_path)


def plant_bomb(trail: BrokerTrail, codec: str, *, records: int = 1) -> None:
    """Write zeros in one batch; a topic accepts 1 MB, counted when it is packed."""
    options = {
        **trail.broker.quick_options(),
        "compression.type": codec,
        "message.max.bytes": 1_000_000_000,
        "batch.size": 1_000_000_000,
        "linger.ms": 200,
    }
    attacker = Producer(options, logger=QUIET)
    refused: list[Any] = []
    for _ in range(records):
        attacker.produce(
            trail.topic, bytes(_BOMBS[codec] // records), on_delivery=lambda error, _: refused.append(error)
        )
    assert attacker.flush(60) == 0
    assert refused == [None] * records


def attacked(trail: BrokerTrail, codec: str) -> None:
    """Log an event before the bomb, and one after it."""
    trail.log(["before"])
    if codec == "gzip":
        # With a client library this process would need twice the memory. 1 GB fits into a record too, and takes a minute.
        write_gzip_bomb(trail.broker.bootstrap(), trail.topic, size=400_000_000)
    else:
        plant_bomb(trail, codec)
    trail.log(["after"])


def test_bomb_hides_no_event_from_tail(trail: BrokerTrail) -> None:
    attacked(trail, "zstd")

    _, shown = trail.tail()

    assert shown == ["before", "after"]


def test_bomb_hides_no_event_from_export(trail: BrokerTrail, tmp_path: Path) -> None:
    attacked(trail, "zstd")

    trail.run("export", "--sealed", "--out", str(tmp_path / "out.jsonl"))

    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert sum('\\"type\\":\\"' in line and "telemetry.checkpoint" not in line for line in lines) == 2


def test_bomb_leaves_trail_verifiable(trail: BrokerTrail) -> None:
    attacked(trail, "zstd")

    _, report = trail.verify()

    assert [(producer["verdict"], producer["proven"]) for producer in report["producers"]] == [("complete", 1)] * 2


def test_bomb_is_named_with_its_place(trail: BrokerTrail) -> None:
    attacked(trail, "zstd")

    ended = trail.run("tail")

    # The event and its closing checkpoint are at the offsets 0 and 1.
    assert f"{trail.topic}[0]@2" in ended.err


def test_bombs_in_a_row_are_passed(trail: BrokerTrail) -> None:
    trail.log(["before"])
    for _ in range(3):
        plant_bomb(trail, "zstd")
    trail.log(["after"])

    _, shown = trail.tail()

    assert shown == ["before", "after"]


def test_bomb_of_many_records_is_passed(trail: BrokerTrail) -> None:
    trail.log(["before"])
    plant_bomb(trail, "zstd", records=37)
    trail.log(["after"])

    _, shown = trail.tail()

    assert shown == ["before", "after"]


def test_bomb_at_the_end_is_passed(trail: BrokerTrail) -> None:
    trail.log(["before"])
    plant_bomb(trail, "zstd")

    _, shown = trail.tail()

    assert shown == ["before"]


@pytest.mark.parametrize("codec", ["zstd", "gzip", "lz4", "snappy"])
def test_bomb_costs_bounded_memory(trail: BrokerTrail, tmp_path: Path, codec: str) -> None:
    attacked(trail, codec)

    ended = measured("telemetry", "tail", "--json", "-c", str(trail.file), folder=tmp_path)

    assert [json.loads(line)["event_type"] for line in ended.out.splitlines()] == ["before", "after"]
    assert ended.peak < _MOST_MEMORY
