from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime

import pytest

from telemetry.audit.health import NO_DATA_KEY, QUEUE_FULL, REASONS
from telemetry.types import Health


def test_without_a_reason_it_is_ready() -> None:
    assert Health(state="running").ready
    assert not Health(state="running", reasons=(QUEUE_FULL,)).ready


def test_dictionary_is_json() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    health = Health(
        state="running", reasons=(NO_DATA_KEY,), diverted=True, diverted_since=moment, diverted_reason="tls"
    )

    values = json.loads(json.dumps(health.to_dict()))

    assert next(iter(values)) == "ready"
    assert values["ready"] is False
    assert values["reasons"] == [{"code": "no_data_key", "advice": NO_DATA_KEY.advice}]
    assert values["diverted_since"] == "2026-01-02T03:04:05.678Z"
    assert values["last_delivered_at"] is None


def test_health_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Health(state="running").lost = 1  # type: ignore[misc]


def test_each_reason_has_its_own_code_and_advice() -> None:
    assert len({reason.code for reason in REASONS}) == len({reason.advice for reason in REASONS}) == len(REASONS)
