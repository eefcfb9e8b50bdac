"""Whatever order acknowledgements arrive in, outstanding records stay in order and keep the age of the oldest."""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka import KafkaError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.outstanding import OutstandingRecords


@dataclass
class _Sent:
    record: SealedRecord
    moment: float
    is_acknowledged: bool = False


class OutstandingMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.outstanding = OutstandingRecords()
        self.now = 0.0
        self.model: list[_Sent] = []

    @rule(count=st.integers(1, 5))
    def send(self, count: int) -> None:
        self.now += 1.0
        records = [
            SealedRecord.written(f"{self.now}-{number}", producer="p", sequence=number, key=b"k", value=b"v")
            for number in range(count)
        ]
        self.outstanding.add(records, self.now)
        self.model += [_Sent(record, self.now) for record in records]

    @precondition(lambda self: self.model)
    @rule(data=st.data(), is_refused=st.booleans())
    def report(self, data: st.DataObject, *, is_refused: bool) -> None:
        sent = data.draw(st.sampled_from(self.model))
        if sent.record.reported:
            return
        sent.record.reported = True
        if is_refused:
            sent.record.error = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
        sent.is_acknowledged = not is_refused

    @rule()
    def remove(self) -> None:
        self.outstanding.remove_acknowledged()
        while self.model and self.model[0].is_acknowledged:
            del self.model[0]

    @rule()
    def take_all(self) -> None:
        assert self.outstanding.take_all() == self._unacknowledged()
        self.model.clear()

    @invariant()
    def order_and_age_are_those_of_the_model(self) -> None:
        assert self.outstanding.unacknowledged() == self._unacknowledged()
        assert len(self.outstanding) == len(self.model)
        assert self.outstanding.oldest == (self.model[0].moment if self.model else None)

    def _unacknowledged(self) -> list[SealedRecord]:
        return [sent.record for sent in self.model if not sent.is_acknowledged]


OutstandingMachine.TestCase.settings = settings(max_examples=300, stateful_step_count=30)
TestOutstanding = OutstandingMachine.TestCase
