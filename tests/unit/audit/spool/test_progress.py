"""What a commit says about its segment: progress, tree, and the leaf hashes that would be lost otherwise."""

from __future__ import annotations

import msgspec

from telemetry.audit.producer import TreeState
from telemetry.audit.spool.packing import pack, progress_of
from telemetry.audit.spool.progress import ChainedProgress, Progress, RelayedProgress, Step
from telemetry.format.proof.key_span import KeySpan
from telemetry.format.proof.relayed_runs import Run
from tests.support.accepted_records import sealed_records

PRODUCER = "018f3b1c-0000-7000-8000-000000000001"


def leaves(first: int, end: int) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in range(first, end))


def tree(size: int, *, signed: int = 0, first: int = 0) -> TreeState:
    """Return a tree with leaf hashes from a record on."""
    keys = (KeySpan("kid", signed, size - 1),)
    return TreeState(PRODUCER, size, b"f%d" % size, signed, b"s", leaves(first, size), first, keys, signed_at=9)


def test_plain_progress_has_four_members() -> None:
    progress = Step(Progress(commit=3), 5, tree(7), leaf_end=0, mark=0).progress(oldest=None)
    assert progress == Progress(commit=4, settled_below=5, tree_size=7, frontier=b"f7")


def test_plain_commit_without_a_tree_keeps_it() -> None:
    before = Progress(commit=3, tree_size=7, frontier=b"f7")
    progress = Step(before, 6, None, leaf_end=0, mark=0).progress(oldest=None)
    assert progress == Progress(commit=4, settled_below=6, tree_size=7, frontier=b"f7")


def test_chained_progress_has_the_last_checkpoint_and_fresh_leaves() -> None:
    before = ChainedProgress(commit=1, oldest=2)
    progress = Step(before, 3, tree(7, signed=2, first=4), leaf_end=4, mark=0).progress(oldest=None)
    assert progress == ChainedProgress(
        commit=2,
        settled_below=3,
        tree_size=7,
        frontier=b"f7",
        oldest=2,
        signed_size=2,
        signed_frontier=b"s",
        signed_at=9,
        keys=[("kid", 2, 6)],
        leaves=[(4, leaves(4, 7))],
    )


def test_note_of_progress_repeats_no_leaves() -> None:
    before = ChainedProgress(commit=1, tree_size=7, signed_size=2, leaves=[(4, leaves(4, 7))])
    progress = Step(before, 7, None, leaf_end=7, mark=0).progress(oldest=None)
    assert isinstance(progress, ChainedProgress)
    assert (progress.commit, progress.settled_below, progress.tree_size, progress.leaves) == (2, 7, 7, [])


def test_emptied_table_leaves_its_unsigned_hashes() -> None:
    """The rows that go had the hashes below 5, those that stay have the ones from there on."""
    step = Step(ChainedProgress(commit=1, tree_size=8), 5, tree(9, signed=2, first=2), leaf_end=8, mark=5)
    assert step.may_empty(has_records=True)
    progress = step.progress(oldest=4)
    assert isinstance(progress, ChainedProgress)
    assert progress.oldest == 4
    assert progress.leaves == [(2, leaves(2, 5)), (8, leaves(8, 9))]


def test_table_is_kept_while_its_hashes_would_be_lost() -> None:
    before = ChainedProgress(commit=1, tree_size=8)
    unsigned, signed = tree(9, signed=2, first=8), tree(9, signed=6, first=8)
    assert not Step(before, 5, unsigned, leaf_end=8, mark=5).may_empty(has_records=True)
    assert not Step(before, 5, None, leaf_end=8, mark=5).may_empty(has_records=False)
    assert not Step(before, 5, signed, leaf_end=8, mark=5).may_empty(has_records=False)
    assert Step(before, 5, signed, leaf_end=8, mark=5).may_empty(has_records=True)


def test_without_a_tree_nothing_is_lost() -> None:
    assert Step(ChainedProgress(commit=1), 5, None, leaf_end=0, mark=0).may_empty(has_records=False)
    assert Step(Progress(commit=1, tree_size=8), 5, None, leaf_end=0, mark=0).may_empty(has_records=False)


def test_progress_of_a_relay_names_the_relayed_records() -> None:
    state = tree(7, signed=2, first=4)._replace(relayed=(Run(2, 3), Run(5, 6)))
    progress = Step(ChainedProgress(commit=1), 3, state, leaf_end=4, mark=0).progress(oldest=None)
    (packed,) = pack(list(sealed_records(1, uses_of_a_key=10)), progress)

    read = progress_of(packed.content, is_chained=True)

    assert isinstance(read, RelayedProgress)
    assert read.relayed == [(2, 3), (5, 6)]
    assert (read.keys, read.leaves) == ([("kid", 2, 6)], [(4, leaves(4, 7))])
    # A former version reads it too, without the member that it does not know.
    former = msgspec.msgpack.decode(msgspec.msgpack.encode(progress), type=ChainedProgress)
    assert former.keys == read.keys


def test_progress_of_a_former_version_has_no_relayed_records() -> None:
    written = msgspec.msgpack.encode(ChainedProgress(commit=1, keys=[("kid", 0, 1)]))
    assert msgspec.msgpack.decode(written, type=RelayedProgress).relayed == []
