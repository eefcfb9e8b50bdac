from __future__ import annotations

import threading

from telemetry.audit.producer import ProducerTree
from telemetry.format.proof.merkle import Frontier, leaf_hash
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
