"""Events of version 2 on a topic: what the topic shows of them, and what a reader says that is too old for one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from telemetry.format.value import jwe
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.render import render, render_head, tail_of
from telemetry.reader import Place, RawRecord
from telemetry.testing import EmbeddedKafka
from tests.attacks.forge import TOPIC, SealingKey
from tests.attacks.site import KeyFiles, Site

TYPE = "hiv_test_ordered"
PRODUCER = "0198c0de-0000-7000-8000-000000000001"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return KeyFiles(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def site(keys: KeyFiles, tmp_path: Path) -> Iterator[Site]:
    with EmbeddedKafka(partitions=1) as kafka:
        yield Site(kafka, tmp_path, keys)


def test_hidden_type_is_nowhere_on_the_topic(site: Site) -> None:
    site.log([TYPE] * 3, hide_event_type=True)

    records = site.records()
    assert not [record for record in records if TYPE.encode() in (record.value or b"") + (record.key or b"")]
    assert {json.loads(record.value or b"")["type"] for record in records} == {
        "telemetry.event",
        "telemetry.checkpoint",
    }
    shown = site.run("tail", "--json", "--type", TYPE)
    assert [json.loads(line)["event_type"] for line in shown.out.splitlines()] == [TYPE] * 3
    assert (shown.code, site.verify().code) == (0, 0)


def test_event_of_a_later_version_is_not_called_altered(site: Site) -> None:
    site.put([later_event(site)])
    site.log(["user_login"])

    shown = site.run("tail", "--json")

    assert [json.loads(line)["event_type"] for line in shown.out.splitlines()] == ["user_login"]
    assert "it uses compressed" in shown.err
    assert "1 events need a newer reader" in shown.err
    assert "altered" not in shown.err
    assert shown.code == 3


def later_event(site: Site) -> RawRecord:
    """Return a sound record that only a later version of this library reads."""
    key = SealingKey(site.keys.provider, "/production/payments")
    event = AuditEvent(
        id=PRODUCER,
        time="2026-01-31T12:00:00.000000Z",
        event_type="report",
        user_id="ada",
        payload=None,
        service_name="payments",
        environment="production",
        producer=PRODUCER,
        sequence=0,
        schema_version=2,
        features=("compressed",),
    )
    members = {**msgspec.to_builtins(event), "payload": {"zstd": "KLUv"}, "time": 1_769_860_800}
    data = jwe.seal(key.cipher, protected=key.protected, iv=bytes(12), plaintext=msgspec.json.encode(members))
    head = render_head("/production/payments", PRODUCER, key_uri=key.key_uri, wrapped_key=key.wrapped)
    kafka_key = event.key.encode()
    value = render(head, sequence=0, key=kafka_key, tail=tail_of(event), data=data, sealed=True)
    return RawRecord(kafka_key, value, Place(TOPIC))
