from __future__ import annotations

from datetime import UTC, datetime

from telemetry.audit.watch.direction import DirectionWatch


def test_diversion_is_remembered_until_it_ends() -> None:
    watch = DirectionWatch()
    assert watch.diverted is None

    before = datetime.now(UTC)
    watch.fallback_entered("tls")

    diverted = watch.diverted
    assert diverted is not None
    assert diverted.reason == "tls"
    assert before <= diverted.since <= datetime.now(UTC)

    watch.fallback_left()
    assert watch.diverted is None
