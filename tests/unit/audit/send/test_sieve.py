"""Sends what Kafka accepts, in order, and finds what it does not; the real broker is in tests/kafka/test_too_large.py."""

from __future__ import annotations

from itertools import count
from typing import Any, cast

import pytest

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.sieve import Sieve
from telemetry.exceptions import RecordTooLargeError, TransportError
from tests.support.leftovers import records


class Refusing:
    """A transport that accepts a batch unless the topic does not."""

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._sent: list[SealedRecord] = []
        self.failure: TransportError | None = None

    def __len__(self) -> int:
        return len(self._sent)

    def send(self, batch: list[SealedRecord], *, headers: Any) -> None:
        assert self.failure is None, "a transport that was refused a record accepts no further one"
        assert headers
        self._sent = batch
        self.failure = self._topic.verdict_on(batch)

    def wait_for(self, batch: list[SealedRecord]) -> bool:
        assert batch == self._sent
        if self.failure is None:
            self._topic.accepted += [record.sequence or 0 for record in batch]
            self._sent = []
        return self.failure is None

    def take_back(self) -> list[SealedRecord]:
        self._topic.ended += 1
        return self._sent


class Topic:
    """Accepts batches of at most so many records, and never some records."""

    def __init__(self, *large: int, most: int = 1_000, away_after: int = 1_000) -> None:
        self.accepted: list[int] = []
        self.opened = self.ended = 0
        self._large = large
        self._most = most
        self._away_after = away_after

    def try_open(self) -> Refusing | None:
        self.opened += 1
        return Refusing(self) if self.opened <= self._away_after else None

    def verdict_on(self, batch: list[SealedRecord]) -> TransportError | None:
        if len(batch) > self._most or any(record.sequence in self._large for record in batch):
            return RecordTooLargeError("too large")
        return None

    def sieve(self) -> Sieve:
        return Sieve(cast("Any", self), iter([("batch", b"%d" % number)] for number in count()))


@pytest.mark.parametrize("large", [(), (0,), (19,), (3, 4, 12), tuple(range(20))])
def test_all_but_the_large_are_sent_in_order(large: tuple[int, ...]) -> None:
    topic = Topic(*large)

    sifted = topic.sieve().sift(records(20))

    assert topic.accepted == [n for n in range(20) if n not in large]
    assert [record.sequence for record in sifted.too_large] == list(large)
    assert sifted.transport is not None
    assert (sifted.error, sifted.rest) == (None, [])
    assert topic.opened - topic.ended == 1


def test_batch_that_is_too_large_as_a_whole_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    topic = Topic(most=3)
    sieve = topic.sieve()
    for _ in range(2):
        assert sieve.sift(records(20)).too_large == []

    assert topic.accepted == list(range(20)) * 2
    assert sum("max.message.bytes" in line for line in caplog.messages) == 1


def test_outage_in_between_returns_the_rest_in_order() -> None:
    topic = Topic(3, away_after=2)

    sifted = topic.sieve().sift(records(8))

    assert sifted.transport is None
    assert isinstance(sifted.error, TransportError)
    assert topic.accepted == []
    assert [record.sequence for record in sifted.rest] == list(range(8))
