from __future__ import annotations

import logging

import pytest
from confluent_kafka import KafkaError

from telemetry.kafka.client_log import ClientLog

_LOGGER = logging.getLogger("telemetry.test-client-log")


class _Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def log(clock: _Clock, caplog: pytest.LogCaptureFixture) -> ClientLog:
    caplog.set_level(logging.DEBUG, logger=_LOGGER.name)
    return ClientLog(_LOGGER, clock=clock)


def _own(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the records of this log; a thread that an earlier test left behind may write others."""
    return [record for record in caplog.records if record.name == _LOGGER.name]


def test_outage_of_an_hour_writes_a_line_a_minute(
    log: ClientLog, clock: _Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3_600 * 8):
        log.line(logging.ERROR, "FAIL", "connection refused")
        clock.now += 0.125
    log.answered()

    lines = [record.getMessage() for record in _own(caplog)]
    assert lines[0] == "kafka client: connection problems: connection refused"
    assert lines[-1].startswith("kafka client: recovered after 3600.0 s")
    assert len(lines) == 61
    assert "(479 lines were suppressed)" in lines[1]


def test_flapping_connection_shares_a_minute(log: ClientLog, clock: _Clock, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(600):
        log.line(logging.ERROR, "FAIL", "connection reset")
        log.answered()
        clock.now += 0.1

    assert len(_own(caplog)) == 2


def test_later_outage_is_logged_again(log: ClientLog, clock: _Clock, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        log.line(logging.ERROR, "FAIL", "connection reset")
        clock.now += 30.0
        log.answered()
        clock.now += 600.0

    words = [record.getMessage().split()[2] for record in _own(caplog)]
    assert words == ["connection", "recovered", "connection", "recovered"]


def test_answers_alone_log_nothing(log: ClientLog, caplog: pytest.LogCaptureFixture) -> None:
    log.answered()

    assert _own(caplog) == []


def test_errors_of_several_kinds_are_one_outage(log: ClientLog, caplog: pytest.LogCaptureFixture) -> None:
    log.error(KafkaError(KafkaError._TRANSPORT))
    log.error(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    log.logger.error("FAIL [telemetry#producer-1] refused")

    assert len(_own(caplog)) == 1


def test_remark_of_client_is_no_outage(log: ClientLog, clock: _Clock, caplog: pytest.LogCaptureFixture) -> None:
    log.logger.warning("CONFWARN [telemetry#producer-1] a setting has no effect")
    log.logger.warning("CONFWARN [telemetry#producer-2] a setting has no effect")
    log.answered()
    assert len(_own(caplog)) == 1

    clock.now += 61.0
    log.logger.warning("CONFWARN [telemetry#producer-3] a setting has no effect")
    assert len(_own(caplog)) == 2


def test_warning_about_chosen_setting_is_dropped(log: ClientLog, caplog: pytest.LogCaptureFixture) -> None:
    log.logger.warning("CONFWARN [x] Configuration property enable.gapless.guarantee is experimental")

    assert _own(caplog) == []
