"""Compares the batcher with the plainest model of it: a list, a clock, and two triggers."""

from __future__ import annotations

import threading

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.batcher import AuditBatcher

MAX_BYTES = 1_000
MAX_DELAY = 0.1


class BatcherMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.lock = threading.Lock()
        self.batcher = AuditBatcher(lock=self.lock, max_bytes=MAX_BYTES, max_delay=MAX_DELAY, clock=lambda: self.now)
        self.waiting: list[SealedRecord] = []
        self.first_came_at = 0.0
        self.number = 0

    def _made(self, size: int) -> SealedRecord:
        self.number += 1
        return SealedRecord.written(str(self.number), producer="p", sequence=self.number, key=b"", value=b"x" * size)

    def _note(self, records: list[SealedRecord]) -> None:
        if records and not self.waiting:
            self.first_came_at = self.now
        self.waiting += records

    @property
    def _is_due(self) -> bool:
        size = sum(record.size for record in self.waiting)
        return bool(self.waiting) and (size >= MAX_BYTES or self.now >= self.first_came_at + MAX_DELAY)

    @rule(size=st.integers(0, 1_500))
    def add(self, size: int) -> None:
        record = self._made(size)
        with self.lock:
            self.batcher.add(record)
        self._note([record])

    @rule(sizes=st.lists(st.integers(0, 600), max_size=5))
    def extend(self, sizes: list[int]) -> None:
        records = [self._made(size) for size in sizes]
        self.batcher.extend(records)
        self._note(records)

    @rule(seconds=st.sampled_from([0.01, 0.05, 0.099, 0.1, 5.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take_without_waiting(self) -> None:
        expected = self.waiting if self._is_due else []
        assert self.batcher.take(0.0) == expected
        if expected:
            self.waiting = []

    @rule()
    def wake_and_take(self) -> None:
        self.batcher.wake()
        expected = self.waiting if self._is_due else []
        assert self.batcher.take(1_000.0) == expected
        if expected:
            self.waiting = []

    @rule()
    def take_all(self) -> None:
        assert self.batcher.take_all() == self.waiting
        self.waiting = []

    @precondition(lambda self: self._is_due)
    @rule()
    def a_batch_that_is_due_is_never_held_back(self) -> None:
        assert self.batcher.take(1_000.0) == self.waiting
        self.waiting = []

    @invariant()
    def counts_agree(self) -> None:
        assert len(self.batcher) == len(self.waiting)
        assert self.batcher.oldest == (self.first_came_at if self.waiting else None)


BatcherMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestBatcher = BatcherMachine.TestCase
