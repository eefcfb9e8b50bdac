"""Keys that a full cache forgot and that are needed again are counted, and said once a minute."""

from __future__ import annotations

import hashlib

import pytest

from telemetry.encryption.unwrap.asked_again import AskedAgain


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def name(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def test_new_key_is_not_counted(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    again = AskedAgain(max_bytes=64 << 20, clock=clock)
    again.asked(name(1))
    again.forgot(name(1))
    again.asked(name(2))
    assert (again.count, caplog.records) == (0, [])


def test_warning_once_a_minute_with_count(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    again = AskedAgain(max_bytes=64 << 20, clock=clock)
    for turn in range(4):
        for number in range(50):
            again.forgot(name(number))
            again.asked(name(number))
        clock.now += 30 if turn < 3 else 0
    assert len(caplog.records) == 2
    assert "64 MB" in caplog.messages[0]
    assert "(100 times since the last warning)" in caplog.messages[1]
    assert again.count == 99


def test_forgotten_key_counts_once(clock: Clock) -> None:
    again = AskedAgain(max_bytes=1 << 20, clock=clock)
    again.forgot(name(1))
    again.asked(name(1))
    again.asked(name(1))
    again.forgot(name(2))
    again.asked(name(2))
    assert again.count == 1, "the first one was said"
