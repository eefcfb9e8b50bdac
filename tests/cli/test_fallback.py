from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_main_job import Trail
from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker
from tests.support.trail_events import make_events

pytestmark = pytest.mark.services


def _stored_trail(broker: KafkaBroker, folder: Path, count: int) -> Trail:
    """Log while the broker is away, and return a trail that is patient from now on."""
    trail = Trail(folder, broker, new_topic(broker), kafka_timeout_ms=500, max_retries=0, fallback_object_seconds=0.2)
    broker.stop()
    assert trail.log(make_events(count, seed=9))["stored"] == count
    trail.configure()
    return trail


def test_list_show_verify_export_and_replay(own_kafka: Callable[..., KafkaBroker], tmp_path: Path) -> None:
    broker = own_kafka()
    trail = _stored_trail(broker, tmp_path, 50)

    code, out, err = trail.run("fallback list", "--json")
    assert code == 0, err
    objects = [json.loads(line) for line in out.splitlines()]
    assert {row["state"] for row in objects} == {"waiting"}
    assert max(row["last"] for row in objects) == 49

    code, out, err = trail.run("fallback show", objects[0]["name"])
    assert code == 0, err
    header, *records = [json.loads(line) for line in out.splitlines()]
    assert header["count"] == len(records)
    assert [record["value"]["sequence"] for record in records] == list(range(len(records)))

    assert trail.run("fallback verify")[0] == 0
    code, _, err = trail.run("fallback export", str(tmp_path / "records.jsonl"))
    assert code == 0, err
    assert len((tmp_path / "records.jsonl").read_text("utf-8").splitlines()) == 50

    trail.configure(kafka_timeout_ms=500, max_retries=0)
    code, _, err = trail.run("fallback replay")
    assert code == 6, err
    assert trail.stored()
    trail.configure()

    broker.start()
    code, out, err = trail.run("fallback replay", "--json")
    assert code == 0, err
    assert json.loads(out) == {"replayed": 50, "rejected": 0, "unmarked": 0}
    assert not trail.stored()
    assert [event["payload"]["number"] for event in sorted(trail.tail(), key=lambda event: event["sequence"])] == list(
        range(50)
    )


def test_one_byte_altered_is_quarantined_not_deleted(own_kafka: Callable[..., KafkaBroker], tmp_path: Path) -> None:
    broker = own_kafka()
    trail = _stored_trail(broker, tmp_path, 20)
    path = next(trail.fallback.rglob("*.tobj"))
    altered = bytearray(path.read_bytes())
    altered[len(altered) // 2] ^= 1
    path.write_bytes(altered)

    code, _, err = trail.run("fallback verify")
    assert code == 3
    assert path.name in err

    broker.start()
    trail.run("fallback replay")
    _, out, _ = trail.run("fallback list", "--json")
    states = {json.loads(line)["name"]: json.loads(line)["state"] for line in out.splitlines()}
    assert [state for name, state in states.items() if name.endswith(path.name)] == ["damaged"]
    kept = next((trail.fallback / "=sealed" / "quarantine").rglob("*.tobj"))
    assert kept.read_bytes() == bytes(altered)


def test_record_too_large_is_rejected_alone(own_kafka: Callable[..., KafkaBroker], tmp_path: Path) -> None:
    broker = own_kafka()
    small = f"{new_topic(broker)}-small"
    broker.create_topic(small, config={"max.message.bytes": "3000"})
    broker.add_acl("payments", small)
    trail = Trail(tmp_path, broker, small, fallback_object_seconds=0.2)
    events = make_events(20, seed=5)
    # Random text, because a batch is measured as it is compressed.
    events[7]["requestParameters"] = {"much": "".join(chr(0x4E00 + (n * n * 7919) % 20_000) for n in range(3_000))}

    trail.log(events)
    trail.run("fallback replay")

    assert {event["payload"]["number"] for event in trail.tail()} == set(range(20)) - {7}
    code, out, _ = trail.run("fallback list", "--json")
    assert code == 0
    assert [json.loads(line)["state"] for line in out.splitlines()] == ["rejected"]
    _, out, _ = trail.run("fallback show", json.loads(out)["name"])
    header, record = [json.loads(line) for line in out.splitlines()]
    assert header["reason"] == "too_large"
    assert record["value"]["sequence"] == 7
