"""The estimates follow the rules of docs/sizing.md."""

from __future__ import annotations

from dataclasses import replace

import pytest

from telemetry.config import AuditConfig, SigningConfig
from telemetry.config.gateway.shared_streams import SharedStreamsConfig
from telemetry.doctor.sizing import Load, size_of

LOAD = Load(services=200, gateways=2, events_per_second=2_000)


def test_defaults_are_those_of_the_configuration() -> None:
    fields, signing = AuditConfig.model_fields, SigningConfig.model_fields

    assert fields["data_key_max_age_seconds"].default == 3_600
    assert fields["data_key_max_uses"].default == 1_000_000
    assert fields["data_key_max_bytes"].default == 1 << 30
    assert fields["queue_max_bytes"].default == 64 << 20
    assert fields["checkpoint_heartbeat_seconds"].default == 300
    assert (signing["every_events"].default, signing["every_seconds"].default) == (1_000, 10)
    assert SharedStreamsConfig.model_fields["idle_seconds"].default == 900


def test_load_of_one_gateway_is_carried_by_the_others() -> None:
    assert size_of(LOAD).disk_per_second == size_of(replace(LOAD, gateways=1)).disk_per_second
    assert size_of(replace(LOAD, gateways=3)).disk_per_second < size_of(LOAD).disk_per_second


def test_batches_save_cores_and_disk() -> None:
    single = size_of(replace(LOAD, events_per_request=1))

    assert single.cores > 10 * size_of(LOAD).cores
    assert single.disk_per_second > 5 * size_of(LOAD).disk_per_second
    assert single.gateways == 6


@pytest.mark.parametrize(
    ("rate", "calls"),
    [
        (0.4, 400),  # each stream's key lives for an hour
        (400_000, 3_600),  # 1,000 events/s of 2.5 KiB a stream: 1 GiB is used up nine times an hour
    ],
)
def test_calls_of_the_key_service(rate: float, calls: int) -> None:
    assert size_of(replace(LOAD, events_per_second=rate)).key_calls_per_hour == pytest.approx(calls, rel=0.2)


@pytest.mark.parametrize(
    ("rate", "each"),
    [
        (0.001, 12),  # the heartbeat
        (400, 3_600 / 11),  # one event a second: ten seconds after each first one
        (400_000, 3_600),  # a thousand events a second
    ],
)
def test_checkpoints(rate: float, each: float) -> None:
    assert size_of(replace(LOAD, events_per_second=rate)).checkpoints_per_hour == pytest.approx(400 * each, rel=0.01)


def test_nothing_is_needed_for_nothing() -> None:
    sizing = size_of(Load(services=1, gateways=1, events_per_second=0.0, outage_seconds=0.0))

    assert (sizing.cores, sizing.topic_per_day, sizing.checkpoints_per_hour) == (0, 0, 12)
    assert sizing.as_dict()["partitions"] == 6


def test_rows_have_units() -> None:
    rows = dict(size_of(replace(LOAD, payload_bytes=1)).as_rows())

    assert rows["record on the topic"] == "1.2 KiB"
    assert rows["topic, uncompressed"] == "2.3 MiB/s, 193 GiB a day"
