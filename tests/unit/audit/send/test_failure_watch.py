from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from telemetry.audit.send.failure_watch import FATAL_SECONDS, FailureWatch
from telemetry.exceptions import (
    RecordTooLargeError,
    TransportAuthenticationError,
    TransportAuthorizationError,
    TransportError,
)

_DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN)
_TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
_PURGED = KafkaError(KafkaError._PURGE_QUEUE)
_NO_PASSWORD = KafkaError(KafkaError._AUTHENTICATION)


def _watch(*, now: float = 0.0, is_patient: bool = False) -> FailureWatch:
    return FailureWatch("events", deadline=10.0, unreachable_after=2.0, now=now, is_patient=is_patient)


def _ended(text: str) -> KafkaError:
    return KafkaError(KafkaError._FATAL, text, fatal=True)


def test_nothing_outstanding_is_never_late() -> None:
    watch = _watch()
    watch.client_error(_DOWN, 1.0)

    assert watch.due(None, 1e9) is None


def test_record_is_late_after_deadline() -> None:
    watch = _watch()
    assert watch.due(100.0, 110.0) is None

    late = watch.due(100.0, 110.1)

    assert type(late) is TransportError
    assert "'events' in 10 s" in str(late)


def test_late_record_names_latest_error() -> None:
    watch = _watch()
    watch.client_error(_NO_PASSWORD, 101.0)

    assert isinstance(watch.due(100.0, 110.1), TransportAuthenticationError)


def test_acknowledgement_forgets_earlier_errors() -> None:
    watch = _watch()
    watch.client_error(_NO_PASSWORD, 1.0)
    watch.client_error(_DOWN, 1.0)
    assert not watch.has_delivered

    watch.acknowledged(2.0)

    assert watch.has_delivered
    assert (watch.last_error, watch.down_since) == (None, None)


def test_new_transport_is_patient_for_four_deadlines() -> None:
    watch = _watch(now=0.0)
    watch.acknowledged(39.0)
    assert watch.due(20.0, 48.0) is None

    watch.acknowledged(41.0)

    assert watch.due(20.0, 48.0) is not None


def test_patient_transport_counts_from_progress() -> None:
    watch = _watch(is_patient=True)
    watch.acknowledged(1_000.0)

    assert watch.due(500.0, 1_010.0) is None
    assert watch.due(500.0, 1_010.1) is not None


def test_brokers_down_fails_before_deadline() -> None:
    watch = _watch()
    watch.client_error(_DOWN, 100.0)
    watch.client_error(_DOWN, 101.9)
    assert watch.due(99.0, 102.0) is None

    assert "no broker is reachable" in str(watch.due(99.0, 102.1))


def test_outage_before_sending_counts_from_sending() -> None:
    watch = _watch()
    watch.client_error(_DOWN, 100.0)

    assert watch.due(200.0, 202.0) is None
    assert watch.due(200.0, 202.1) is not None


def test_ended_client_waits_for_better_cause() -> None:
    watch = _watch()
    watch.client_error(_ended("ended"), 100.0)

    assert watch.due(None, 100.0 + FATAL_SECONDS) is None
    assert watch.due(None, 100.1 + FATAL_SECONDS) is watch.fatal


def test_first_end_of_client_counts() -> None:
    watch = _watch()
    watch.client_ended(_ended("first"), 100.0)
    watch.client_ended(_ended("second"), 200.0)

    assert "first" in str(watch.fatal)


def test_refused_record_is_cause_of_purged_ones() -> None:
    assert isinstance(_watch().refused([_PURGED, _TOO_LARGE, _PURGED]), RecordTooLargeError)


def test_end_of_client_explains_purged_records() -> None:
    watch = _watch()
    denied = KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED)
    watch.client_ended(_ended(f"Fatal: {denied.str()}"), 1.0)

    error = watch.refused([_PURGED])

    assert isinstance(error, TransportAuthorizationError)
    assert watch.last_error is error


def test_first_failure_stays() -> None:
    watch, first = _watch(), TransportError("first")
    assert watch.fail(first)
    assert not watch.fail(TransportError("second"))

    assert watch.failure is first


@pytest.mark.parametrize("oldest", [None, 0.0])
def test_failed_transport_does_not_fail_again(oldest: float | None) -> None:
    watch = _watch()
    watch.fail(TransportError("failed"))

    assert watch.due(oldest, 1e9) is None
