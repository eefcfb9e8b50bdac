"""A data key that a checkpoint lists for some records of a process seals no others."""

from __future__ import annotations

import pytest

from telemetry.format.proof.key_span import KeySpan
from telemetry.reader.proof.index import ProofIndex
from telemetry.reader.proof.signed_keys import KeySuccession
from telemetry.reader.trust import TrustPolicy
from tests.support.written_trail import DataKey, Process, Signer, topic


class Listener:
    """Learns nothing."""

    def list_keys(self, kids: object) -> None:
        pass


def rotated() -> tuple[ProofIndex, Process, DataKey, DataKey]:
    """Return what is signed of a process that used one data key for 10 records, another for 10 more, and goes on."""
    process, first, second = Process(1, leaves=True), DataKey(1), DataKey(2)
    records = process.run(10, every=5, end=False)
    process.data_key = second
    records += process.run(10, every=5, end=False)
    index = ProofIndex(TrustPolicy.of_keys([Signer().public]), Listener())
    for record in topic(records):
        index.observe(record)
    return index, process, first, second


def refusal(index: ProofIndex, key: DataKey, sequence: int) -> str:
    """Return why a record is refused that someone with the data key has sealed for a number."""
    forger = Process(1)
    forger.data_key = key
    for _ in range(sequence):
        forger.log()
    record = forger.log("mallory")
    place = index.place_of(record)
    assert place is not None
    return index.refusal(place, record.value or b"")


@pytest.mark.parametrize(("key", "sequence"), [("first", 10), ("first", 17), ("second", 0), ("second", 9)])
def test_key_outside_of_its_span_is_refused(key: str, sequence: int) -> None:
    index, _, first, second = rotated()
    assert "not the one that its process lists" in refusal(index, {"first": first, "second": second}[key], sequence)


def test_key_that_nobody_lists_is_refused_where_one_is_listed() -> None:
    index, *_ = rotated()
    assert "not the one that its process lists" in refusal(index, DataKey(3), 4)
    assert refusal(index, DataKey(3), 20) == ""


@pytest.mark.parametrize(("key", "sequence"), [("first", 0), ("first", 9), ("second", 10), ("second", 25)])
def test_key_of_the_span_or_beyond_is_not_refused(key: str, sequence: int) -> None:
    index, _, first, second = rotated()
    assert refusal(index, {"first": first, "second": second}[key], sequence) == ""


@pytest.mark.parametrize("sequence", [20, 25, 1_000])
def test_key_that_was_replaced_is_refused_beyond_the_last_checkpoint(sequence: int) -> None:
    index, _, first, _ = rotated()
    assert "has gone on to another data key" in refusal(index, first, sequence)


def test_order_of_the_keys_does_not_depend_on_that_of_the_checkpoints() -> None:
    succession = KeySuccession()
    for span in (
        KeySpan("b", 30, 39),
        KeySpan("a", 10, 19),
        KeySpan("b", 20, 29),
        KeySpan("a", 0, 9),
        KeySpan("b", 40, 49),
    ):
        succession.add(span)

    assert [kid for kid in "abc" if succession.is_next_to(kid, 60)] == ["b"]
    assert [kid for kid in "abc" if succession.is_next_to(kid, 15)] == ["a", "b"]
    assert KeySuccession().is_next_to("a", 3) is False


def test_records_before_the_first_checkpoint_read_are_open() -> None:
    process, second = Process(1, leaves=True), DataKey(2)
    process.run(10, every=5, end=False)
    process.data_key = second
    index = ProofIndex(TrustPolicy.of_keys([Signer().public]), Listener())
    for record in topic(process.run(10, every=5)):
        index.observe(record)
    assert refusal(index, second, 3) == ""


def of_two_relays(*, relays: bool) -> ProofIndex:
    """Return what is signed where two processes list one data key, and a third has listed nothing yet."""
    index = ProofIndex(TrustPolicy.of_keys([Signer().public]), Listener())
    for number in (1, 2):
        for record in topic(Process(number, data_key=7, leaves=True, relays=relays).run(10, every=5)):
            index.observe(record)
    return index


@pytest.mark.parametrize("relays", [True, False])
def test_key_of_an_outbox_belongs_to_no_process(relays: bool) -> None:
    index, third = of_two_relays(relays=relays), Process(3, data_key=7)
    place, value = index.place_of(record := third.log()), record.value
    assert place is not None
    assert ("belongs to another process" in index.refusal(place, value or b"")) is not relays


def test_key_of_an_outbox_is_refused_where_another_is_listed() -> None:
    index = of_two_relays(relays=True)
    assert "not the one that its process lists" in refusal(index, DataKey(3), 4)
    assert refusal(index, DataKey(7), 4) == ""


def test_key_of_a_process_is_its_own_though_a_relay_lists_it() -> None:
    index = ProofIndex(TrustPolicy.of_keys([Signer().public]), Listener())
    for process in (Process(1, data_key=7, leaves=True), Process(2, data_key=7, leaves=True, relays=True)):
        for record in topic(process.run(10, every=5)):
            index.observe(record)
    third = Process(3, data_key=7).log()
    place = index.place_of(third)
    assert place is not None
    assert "belongs to another process" in index.refusal(place, third.value or b"")
