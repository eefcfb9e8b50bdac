"""Differing copies are kept until a signed tree judges them."""

from __future__ import annotations

from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.reader.entry import Place
from telemetry.reader.verify.tree.copies import MAX_COPIES, DifferingCopies, DifferingCopy


def copy_of(sequence: int, number: int = 0) -> DifferingCopy:
    return DifferingCopy(sequence, bytes([number]) * HASH_BYTES, Place("audit-events", 0, number))


def test_copy_of_proven_record_is_altered() -> None:
    copies = DifferingCopies()
    copies.blame(copy_of(4))
    assert (copies.altered, copies.conflicts) == ([copy_of(4)], {})


def test_proof_judges_copies_of_its_records() -> None:
    copies = DifferingCopies()
    for sequence in (3, 4, 7):
        copies.add(copy_of(sequence))
    copies.judge(4, 7)
    assert copies.altered == [copy_of(4)]
    assert sorted(copies.conflicts) == [3, 7]


def test_first_record_blamed_for_right_copy() -> None:
    copies = DifferingCopies()
    copies.add(copy_of(5, 1))
    copies.add(copy_of(5, 2))
    copies.judge(0, 10)
    first = bytes([9]) * HASH_BYTES
    copies.blame_first(4, bytes(HASH_BYTES) + first, [copy_of(5, 2)])
    assert copies.altered == [copy_of(5, 1), DifferingCopy(5, first, None)]


def test_number_of_copies_is_bounded() -> None:
    copies = DifferingCopies()
    for number in range(MAX_COPIES + 5):
        assert copies.add(copy_of(number)) == (number < MAX_COPIES)
        copies.blame(copy_of(number))
    assert len(copies.conflicts) == MAX_COPIES
    assert (len(copies.altered), copies.more_altered) == (MAX_COPIES, 5)


def test_judged_copies_leave_room_for_others() -> None:
    copies = DifferingCopies()
    for number in range(MAX_COPIES):
        copies.add(copy_of(number))
    copies.judge(0, 10)
    assert copies.add(copy_of(MAX_COPIES))


def test_restored_copies_are_not_shared() -> None:
    altered = [copy_of(1)]
    copies = DifferingCopies()
    copies.restore([copy_of(2), copy_of(2, 1)], altered)
    copies.judge(0, 3)
    assert altered == [copy_of(1)]
    assert copies.altered == [copy_of(1), copy_of(2), copy_of(2, 1)]
