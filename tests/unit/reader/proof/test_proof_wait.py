"""Holding records back until they can be judged: the order stays, and nobody waits longer than was said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from telemetry.exceptions import TamperedError
from telemetry.reader import DamagedRecord, RawRecord
from telemetry.reader.proof.index import ProofIndex
from telemetry.reader.proof.proof_wait import ProofWait
from telemetry.reader.proof.record_queue import RecordQueue
from telemetry.reader.proof.ticking import TickingSource
from telemetry.reader.trust.policy import TrustPolicy
from tests.support.written_trail import Process, Signer, topic


class Unlistening:
    def list_keys(self, kids: Iterable[str]) -> None:
        """Ignore them."""


def _wait(*, seconds: float | None = None, queue: RecordQueue | None = None) -> ProofWait:
    index = ProofIndex(TrustPolicy.of_keys([Signer().public]), Unlistening())
    return ProofWait(index, seconds=seconds, queue=queue)


class Watched:
    """A source that remembers how many of its records were asked for."""

    def __init__(self, records: Iterable[RawRecord]) -> None:
        self._records = list(records)
        self.given = 0

    def __iter__(self) -> Iterator[RawRecord]:
        for record in self._records:
            self.given += 1
            yield record


@pytest.mark.parametrize("leaves", [True, False], ids=["v2", "v1"])
def test_records_pass_with_their_checkpoint(*, leaves: bool) -> None:
    source = Watched(topic(Process(1, leaves=leaves).run(30)))
    passed = [(record, source.given) for record in _wait().records(source)]

    assert [record for record, _ in passed] == source._records
    # Ten events, then their checkpoint: each event is passed on when eleven, twenty-two, thirty-three were read.
    assert [given for _, given in passed[:33]] == [11] * 11 + [22] * 11 + [33] * 11


def test_order_stays_where_a_stranger_is_before() -> None:
    stranger = Process(9, signer=Signer(5, "stranger")).log()
    records = [stranger, *topic(Process(1, leaves=True).run(10))]

    assert list(_wait().records(records)) == records


def test_nothing_is_held_back_longer_than_wanted() -> None:
    source = Watched(Process(1).run(5))
    passed = [source.given for _ in _wait(seconds=0.0).records(source)]

    assert passed == list(range(1, len(source._records) + 1))


def test_full_queue_passes_the_oldest() -> None:
    queue = RecordQueue(memory=0, disk=0)
    process = Process(9, signer=Signer(5, "stranger"))
    source = Watched(process.log(payload=bytes(200_000)) for _ in range(30))
    first = next(iter(_wait(queue=queue).records(source)))

    assert first == source._records[0]
    assert source.given < 30
    queue.close()


def test_stolen_data_key_is_damage() -> None:
    records = Process(1, leaves=True, data_key=7).run(10)
    forged = Process(2, data_key=7).log()
    entries = list(_wait().records([forged, *records]))

    assert isinstance(entries[0], DamagedRecord)
    assert isinstance(entries[0].error, TamperedError)
    assert entries[1:] == records


class Following:
    """A source that gives one record, and then waits until it is stopped."""

    is_endless = True

    def __init__(self, record: RawRecord) -> None:
        self._record = record
        self.is_stopped = False

    def __iter__(self) -> Iterator[RawRecord]:
        yield self._record
        while not self.is_stopped:
            pass

    def stop(self) -> None:
        self.is_stopped = True


def test_record_does_not_wait_for_the_next_one() -> None:
    source = Following(Process(1).log())
    entries = _wait(seconds=0.01).records(TickingSource(source))

    assert next(entries) == source._record
    entries.close()  # type: ignore[attr-defined]


def test_ticking_source_passes_errors_and_the_end() -> None:
    def broken() -> Iterator[RawRecord]:
        yield from Process(1).run(2)
        message = "the source ended"
        raise RuntimeError(message)

    given = filter(None, TickingSource(broken()))
    assert [next(given) for _ in range(3)] == Process(1).run(2)
    with pytest.raises(RuntimeError, match="the source ended"):
        next(given)
    assert [record for record in TickingSource(Process(2).run(2)) if record is not None] == Process(2).run(2)
