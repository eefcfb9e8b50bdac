"""Work on a trail tells how far it is, and a display that shows nothing takes all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.exceptions import ConfigurationError
from telemetry.reader import Place, RawRecord
from telemetry.reader.sources.lines import write_line
from telemetry.reader.trust import TrustPolicy
from telemetry.trail.progress import NO_PROGRESS
from telemetry.trail.proving import UnprovenEvent, prove_events
from telemetry.trail.records import ReadTally, trail_records

EVENT = "0198c0de-1111-7222-8333-444455556666"


class Seen:
    def __init__(self) -> None:
        self.steps: dict[str, int] = {}
        self.totals: dict[str, int | None] = {}

    @contextmanager
    def step(self, label: str, *, total: int | None = None) -> Iterator[SeenStep]:
        self.steps[label] = 0
        self.totals[label] = total
        yield SeenStep(self, label)


class SeenStep:
    def __init__(self, seen: Seen, label: str) -> None:
        self._seen = seen
        self._label = label

    def expect(self, records: int) -> None:
        self._seen.totals[self._label] = records

    def advance(self, count: int = 1) -> None:
        self._seen.steps[self._label] += count


@pytest.fixture
def config() -> TelemetryConfig:
    audit = AuditConfig(
        kafka_brokers="127.0.0.1:1", security_protocol="PLAINTEXT", encryption_enabled=False, fallback_enabled=False
    )
    return TelemetryConfig(service_name="shop", audit_config=audit)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    file = tmp_path / "trail.jsonl"
    file.write_bytes(b"".join(write_line(RawRecord(b"k", b"{}", Place("audit", 0, offset))) for offset in range(3)))
    return file


def test_records_of_a_file_are_counted(config: TelemetryConfig, copy: Path) -> None:
    seen, tally = Seen(), ReadTally()

    assert len(list(trail_records(config, "reading", progress=seen, file=copy, tally=tally))) == 3
    assert seen.steps == {"reading": 3}
    assert tally.records == 3


def test_display_that_shows_nothing(config: TelemetryConfig, copy: Path) -> None:
    with NO_PROGRESS.step("reading", total=3) as step:
        step.expect(3)
        step.advance()

    assert len(list(trail_records(config, "reading", file=copy))) == 3


def test_absent_event_of_a_file_is_unproven(config: TelemetryConfig, copy: Path) -> None:
    seen = Seen()

    (outcome,) = prove_events(config, [EVENT], policy=TrustPolicy(()), progress=seen, file=copy)

    assert isinstance(outcome, UnprovenEvent)
    assert seen.steps == {"looking for the event": 3, "writing proofs": 1}
    assert seen.totals == {"looking for the event": None, "writing proofs": 1}


def test_file_that_does_not_exist(config: TelemetryConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        list(trail_records(config, "reading", file=tmp_path / "absent"))
