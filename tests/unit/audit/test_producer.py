from __future__ import annotations

import threading

import pytest

from telemetry.audit.producer import ProducerTree, intervals
from telemetry.audit.record import SealedRecord
from telemetry.format.proof.key_span import MAX_WRITTEN_SPANS, KeySpan, require_cover
from telemetry.format.proof.leaves import MAX_LEAVES
from telemetry.format.proof.merkle import Frontier, leaf_hash
from telemetry.format.proof.relayed_runs import MAX_WRITTEN_RUNS, Run
from telemetry.format.value.jwe import kid_in_header
from tests.support.accepted_records import PRODUCER, sealed_records
from tests.support.leftovers import records


def frontier_of(values: list[bytes]) -> bytes:
    frontier = Frontier()
    for value in values:
        frontier.append(leaf_hash(value))
    return frontier.to_bytes()


def test_tree_has_every_record_in_order() -> None:
    batch = records(20)
    tree = ProducerTree(batch[0].producer, hashed=True)

    tree.absorb(batch[:7])
    state = tree.absorb(batch[7:])

    assert state is not None
    assert (state.producer, state.size) == (batch[0].producer, 20)
    assert state.frontier == frontier_of([record.value for record in batch])
    assert tree.state() == state


def test_record_absorbed_twice_counts_once() -> None:
    batch = records(5)
    tree = ProducerTree(batch[0].producer, hashed=True)

    assert tree.absorb(batch) == tree.absorb(batch)


def test_records_of_other_producers_are_skipped() -> None:
    own, adopted = records(3), records(3)
    tree = ProducerTree(own[0].producer, hashed=True)

    state = tree.absorb([own[0], *adopted, *own[1:]])

    assert state is not None
    assert state.size == 3


def test_no_tree_without_signatures() -> None:
    batch = records(2)
    tree = ProducerTree(batch[0].producer, hashed=False)

    assert tree.absorb(batch) is None
    assert tree.state() is None


def test_hashed_records_keep_the_hashed_value() -> None:
    batch = list(sealed_records(3, uses_of_a_key=10))
    values = [record.value for record in batch]
    assert all(record.ciphertext for record in batch)

    ProducerTree(PRODUCER, hashed=True).absorb(batch)

    assert not any(record.ciphertext for record in batch)
    assert [record.value for record in batch] == values


def test_two_threads_hash_each_record_once() -> None:
    batch = records(600)
    tree = ProducerTree(batch[0].producer, hashed=True)

    def absorb() -> None:
        for first in range(0, len(batch), 20):
            tree.absorb(batch[first : first + 20])

    threads = [threading.Thread(target=absorb) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    state = tree.state()
    assert state is not None
    assert state.size == 600
    assert state.frontier == frontier_of([record.value for record in batch])


def test_leaves_since_the_last_checkpoint_are_kept() -> None:
    batch = list(sealed_records(10, uses_of_a_key=4))
    leaves = [leaf_hash(record.value) for record in batch]
    tree = ProducerTree(PRODUCER, hashed=True)
    before = tree.absorb(batch[:6])
    assert before is not None
    tree.note_signed(before, 7)
    state = tree.absorb(batch[6:], leaves_from=6)

    assert state is not None
    assert (state.size, state.signed_size, state.leaves_from, state.signed_at) == (10, 6, 6, 7)
    assert state.leaves == b"".join(leaves[6:])
    assert state.signed_frontier == frontier_of([record.value for record in batch[:6]])
    assert state.has_interval
    kids = [kid_in_header(record.jwe_header) for record in batch]
    assert state.keys == (KeySpan(kids[6], 6, 7), KeySpan(kids[8], 8, 9))
    assert tree.unsigned() == state


def test_only_the_leaves_asked_for_are_returned() -> None:
    batch = records(10)
    tree = ProducerTree(batch[0].producer, hashed=True)
    tree.absorb(batch[:4])
    state = tree.absorb(batch[4:], leaves_from=4)

    assert state is not None
    assert (state.leaves_from, len(state.leaves)) == (4, 6 * 32)
    assert state.keys == ()
    assert not state.has_interval
    beyond = tree.absorb((), leaves_from=1_000)
    assert beyond is not None
    assert (beyond.leaves_from, beyond.leaves) == (10, b"")


def test_data_key_that_seals_across_a_checkpoint_is_named_in_both() -> None:
    batch = list(sealed_records(6, uses_of_a_key=100))
    tree = ProducerTree(PRODUCER, hashed=True)
    first = tree.absorb(batch[:3], leaves_from=0)
    assert first is not None
    tree.note_signed(first, 1)
    second = tree.absorb(batch[3:], leaves_from=0)

    assert second is not None
    kid = kid_in_header(batch[0].jwe_header)
    assert first.keys == (KeySpan(kid, 0, 2),)
    assert second.keys == (KeySpan(kid, 3, 5),)


def test_nothing_new_is_an_empty_interval() -> None:
    batch = list(sealed_records(3, uses_of_a_key=100))
    tree = ProducerTree(PRODUCER, hashed=True)
    state = tree.absorb(batch)
    assert state is not None
    tree.note_signed(state, 1)

    unsigned = tree.unsigned()

    assert unsigned is not None
    assert (unsigned.signed_size, unsigned.size, unsigned.leaves, unsigned.keys) == (3, 3, b"", ())
    assert unsigned.has_interval
    assert [*intervals(unsigned)] == [unsigned]


@pytest.mark.parametrize("uses", [1, 7, 40, 5_000])
def test_intervals_continue_each_other(uses: int) -> None:
    batch = list(sealed_records(2_500, uses_of_a_key=uses))
    tree = ProducerTree(PRODUCER, hashed=True)
    first = tree.absorb(batch[:5])
    assert first is not None
    tree.note_signed(first, 1)
    whole = tree.absorb(batch[5:], leaves_from=0)
    assert whole is not None
    parts = [*intervals(whole)]

    assert (parts[0].signed_size, parts[-1].size) == (5, 2_500)
    assert [part.signed_size for part in parts[1:]] == [part.size for part in parts[:-1]]
    for part in parts:
        start = part.signed_size or 0
        assert part.has_interval
        assert part.size - start <= MAX_LEAVES
        assert len(part.keys) <= MAX_WRITTEN_SPANS
        require_cover(part.keys, start, part.size)
        assert part.frontier == frontier_of([record.value for record in batch[: part.size]])
        assert part.signed_frontier == frontier_of([record.value for record in batch[:start]])
        assert part.leaves == b"".join(leaf_hash(record.value) for record in batch[start : part.size])


def test_only_what_is_allowed_is_unsigned() -> None:
    batch = list(sealed_records(10, uses_of_a_key=4))
    tree = ProducerTree(PRODUCER, hashed=True)
    allowed = tree.absorb(batch[:6], leaves_from=0)
    tree.allow_signing(allowed)
    tree.absorb(batch[6:])

    assert tree.sizes() == (6, 0)
    assert tree.unsigned() == allowed
    assert allowed is not None
    tree.note_signed(allowed, 7)
    tree.allow_signing(tree.state())

    rest = tree.unsigned()
    assert rest is not None
    assert (rest.signed_size, rest.size, rest.has_interval) == (6, 10, True)


def relayed(batch: list[SealedRecord], *sequences: int) -> list[SealedRecord]:
    for sequence in sequences:
        batch[sequence].is_relayed = True
    return batch


def test_relayed_records_are_named_in_runs() -> None:
    batch = relayed(list(sealed_records(10, uses_of_a_key=100)), 0, 1, 4, 5, 6, 9)
    tree = ProducerTree(PRODUCER, hashed=True)
    first = tree.absorb(batch[:6], leaves_from=0)
    assert first is not None
    tree.note_signed(first, 1)
    second = tree.absorb(batch[6:], leaves_from=0)

    assert second is not None
    assert (first.relayed, second.relayed) == ((Run(0, 1), Run(4, 5)), (Run(6, 6), Run(9, 9)))


def test_relayed_records_beyond_what_may_be_signed_are_left_out() -> None:
    batch = relayed(list(sealed_records(6, uses_of_a_key=100)), *range(6))
    tree = ProducerTree(PRODUCER, hashed=True)
    tree.allow_signing(tree.absorb(batch[:4]))
    tree.add(batch[4:])

    state = tree.unsigned()

    assert state is not None
    assert state.relayed == (Run(0, 3),)


def test_many_runs_make_several_checkpoints() -> None:
    batch = relayed(list(sealed_records(300, uses_of_a_key=1_000)), *range(0, 300, 2))
    tree = ProducerTree(PRODUCER, hashed=True)
    state = tree.absorb(batch, leaves_from=0)
    assert state is not None

    parts = list(intervals(state))

    assert [run for part in parts for run in part.relayed] == [Run(n, n) for n in range(0, 300, 2)]
    assert max(len(part.relayed) for part in parts) == MAX_WRITTEN_RUNS
    assert [(part.signed_size, part.size) for part in parts] == [(0, 96), (96, 192), (192, 288), (288, 300)]
