"""Sealed segments as the next process reads them: what it sends, what it signs, and what it leaves alone."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from pathlib import Path

import pytest

from telemetry.audit.producer import ProducerTree, TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.adoption import AdoptedSegment, adopt_segments
from telemetry.audit.spool.folder_state import FolderState
from telemetry.audit.spool.owner import Owner
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.encryption.storage_secret import StorageSecret, StorageSecrets
from telemetry.format.proof.merkle import Frontier, leaf_hash
from tests.support.leftovers import STORAGE_SECRET, kill_owner, leave_segment, left_in, new_segment, owner, records

OWN = owner(is_sealed=True)
SECRETS = StorageSecrets([StorageSecret.of_text(STORAGE_SECRET)])


class Process:
    """A process that logs into a spool segment, and whose sender signs now and then."""

    def __init__(self, folder: Path, *, flip_bytes: int = 2 << 20) -> None:
        self.producer = records(1)[0].producer
        self.tree = ProducerTree(self.producer, hashed=True)
        self.segment = new_segment(folder, self.producer, of=OWN, flip_bytes=flip_bytes)
        self.logged: list[SealedRecord] = []

    def log(self, count: int, *, size: int = 0, settled_below: int = 0) -> None:
        """Commit records as the spool thread does."""
        batch = records(count, producer=self.producer, first=len(self.logged), size=size)
        tree = self.tree.absorb(batch, leaves_from=self.segment.first_wanted_leaf(settled_below))
        self.segment.append(batch, settled_below=settled_below, tree=tree)
        self.logged += batch

    def sign(self, at: int = 1) -> None:
        """Sign everything so far."""
        state = self.tree.unsigned()
        assert state is not None
        self.tree.note_signed(state, at)


def adopted_from(folder: Path, own: Owner = OWN, *, state: FolderState | None = None) -> AdoptedSegment:
    (adopted,) = adopt_segments(folder, own, state=state)
    return adopted


def read(adopted: AdoptedSegment) -> tuple[list[int], list[TreeState]]:
    """Return the sequences of the records, and the trees that were offered for signing."""
    signed: list[TreeState] = []

    def note(segment: AdoptedSegment) -> list[SealedRecord]:
        tree = segment.later_end or segment.tree
        signed.extend([tree] if tree is not None else [])
        return []

    found = [record for chunk in adopted.records(note) for record in chunk]
    adopted.acknowledge(found)
    adopted.close()
    return [record.sequence or 0 for record in found], signed


def execute(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


def require_interval(tree: TreeState, logged: list[SealedRecord]) -> None:
    """Check that the leaves lead from the last signed tree to the last one, by hashing the records."""
    assert tree.has_interval
    frontier = Frontier.from_bytes(tree.signed_frontier)
    frontier.extend_packed(tree.leaves)
    whole = Frontier()
    for record in logged:
        whole.append(leaf_hash(record.value))
    assert frontier.to_bytes() == tree.frontier == whole.to_bytes()


def test_file_shows_nothing_personal(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.log(30)
    kill_owner(process.segment)

    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    for word in (b"login", b"user-1", b"shop", b"production", process.logged[0].event_id.encode()):
        assert word not in content


def test_recovered_tree_has_the_leaves_since_the_last_checkpoint(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.log(7)
    process.sign(at=99)
    process.log(5)
    process.log(4)
    kill_owner(process.segment)

    sequences, (tree,) = read(adopted_from(tmp_path))

    assert sequences == list(range(16))
    assert (tree.size, tree.signed_size, tree.signed_at) == (16, 7, 99)
    require_interval(tree, process.logged)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("sign_every", [1, 3, 7, 1_000])
def test_leaves_outlive_the_rows_that_are_emptied(tmp_path: Path, sign_every: int) -> None:
    """What is settled may not be signed yet, and its table is emptied."""
    process = Process(tmp_path, flip_bytes=100_000)
    for number in range(40):
        process.log(10, size=2_000, settled_below=max(number * 10 - 20, 0))
        if number % 4 == 1:
            process.segment.note_settled(max(number * 10 - 15, 0))
        if number % sign_every == sign_every - 1:
            process.sign()
    kill_owner(process.segment)
    path = process.segment.path
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (stored,) = connection.execute(
            "SELECT (SELECT count(*) FROM batch_a) + (SELECT count(*) FROM batch_b)"
        ).fetchone()
    assert stored < 40, "no table was emptied"

    sequences, (tree,) = read(adopted_from(tmp_path))

    assert sequences == list(range(sequences[0], 400))
    assert sequences[0] <= 370
    require_interval(tree, process.logged)


def test_rejected_commits_leave_the_chain_whole(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.log(3)
    process.segment._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(Exception, match="free space"):
        process.log(3, size=200_000)
    process.segment._connection.execute("PRAGMA max_page_count = 100000")
    process.logged += records(3, producer=process.producer, first=3, size=200_000)
    process.log(2)
    kill_owner(process.segment)

    sequences, (tree,) = read(adopted_from(tmp_path))

    assert sequences == [0, 1, 2, 6, 7]
    assert tree.size == 8
    assert tree.has_interval


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM batch_a WHERE first = 0",
        "DELETE FROM batch_a WHERE first = 4",
        "UPDATE batch_a SET first = 100 WHERE first = 4",
        "DELETE FROM note WHERE name = 'progress'",
    ],
)
def test_row_that_is_taken_out_is_never_signed_away(
    tmp_path: Path, statement: str, caplog: pytest.LogCaptureFixture
) -> None:
    process = Process(tmp_path)
    for _ in range(4):
        process.log(4)
    # Saved late: its rows are not the last ones, so the progress is in a note.
    late = records(2, producer=process.producer, first=1)
    process.segment.append(late, settled_below=0, tree=process.tree.absorb((), leaves_from=16))
    path = kill_owner(process.segment)
    execute(path, statement)

    sequences, signed = read(adopted_from(tmp_path))

    assert set(sequences) < set(range(16)) or "progress" in statement or "UPDATE" in statement
    assert signed == []
    assert "rows are missing from it" in caplog.text or "is not in its place" in caplog.text
    assert [Path(name).suffix for name in left_in(tmp_path)] == [".damaged"]


def test_rows_of_another_segment_are_not_sent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    process, other = Process(tmp_path), Process(tmp_path)
    for each in (process, other):
        each.log(4)
        each.segment.close()
    with contextlib.closing(sqlite3.connect(other.segment.path)) as connection:
        row = connection.execute("SELECT records, crc FROM batch_a").fetchone()
    with contextlib.closing(sqlite3.connect(process.segment.path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO batch_b VALUES (4, ?, ?)", row)
    other.segment.path.unlink()

    sequences, signed = read(adopted_from(tmp_path))

    assert (sequences, signed) == ([0, 1, 2, 3], [])
    assert "was not sealed for this segment" in caplog.text


def test_older_copy_is_known_by_the_end_of_its_stream(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    process = Process(tmp_path)
    process.log(2)
    copy = kill_owner(process.segment)
    older = {path: path.read_bytes() for path in tmp_path.iterdir()}
    ended = process.tree.state()
    assert ended is not None
    copy.unlink()
    FolderState(tmp_path, SECRETS).note_ended(ended._replace(size=3, frontier=b"larger", signed_at=5))
    for path, content in older.items():
        path.write_bytes(content)
        path.chmod(0o600)

    state = FolderState(tmp_path, SECRETS)
    sequences, (tree,) = read(adopted_from(tmp_path, state=state))

    assert sequences == [0, 1]
    assert (tree.size, tree.frontier, tree.signed_at) == (3, b"larger", 5)
    assert "old copy" in caplog.text
    again = FolderState(tmp_path, SECRETS).ended(process.producer)
    assert again is not None
    assert again.size == 3


def test_settled_stream_is_remembered(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.log(2)
    kill_owner(process.segment)

    read(adopted_from(tmp_path, state=FolderState(tmp_path, SECRETS)))

    ended = FolderState(tmp_path, SECRETS).ended(process.producer)
    assert ended is not None
    assert ended.size == 2


def test_segment_of_another_secret_is_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = leave_segment(tmp_path, records(3), of=owner(is_sealed=True, secret="7b" * 32))

    assert adopt_segments(tmp_path, OWN) == []

    assert path.exists()
    assert str(path) in caplog.text
    assert "former_storage_secret" in caplog.text


def test_former_secret_opens_a_segment(tmp_path: Path) -> None:
    leave_segment(tmp_path, records(3), of=OWN)
    secrets = StorageSecrets([StorageSecret.of_bytes(b"n" * 32), *SECRETS])
    renewed = OWN._replace(keys=StorageKeys(secrets, sources=[OWN.source]))

    sequences, _ = read(adopted_from(tmp_path, renewed))

    assert sequences == [0, 1, 2]


@pytest.mark.parametrize("is_sealed", [True, False])
def test_segment_of_another_service_is_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, is_sealed: bool
) -> None:
    path = leave_segment(tmp_path, records(3), of=owner(is_sealed=is_sealed, service="treasury"))

    assert adopt_segments(tmp_path, OWN) == []

    assert path.exists()
    assert "another service's" in caplog.text
    assert "treasury" not in caplog.text


def test_unmarked_segment_is_sent_and_not_signed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logged = records(3)
    leave_segment(tmp_path, logged, tree=TreeState(logged[0].producer, 3, b"three"))

    adopted = adopted_from(tmp_path, state=FolderState(tmp_path, SECRETS))
    sequences, signed = read(adopted)

    assert (sequences, signed, adopted.is_marked) == ([0, 1, 2], [], False)
    assert "no mark of this service" in caplog.text
    assert left_in(tmp_path) == []


def test_unmarked_segment_is_quarantined_when_the_time_is_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logged = records(3)
    leave_segment(tmp_path, logged)
    state = FolderState(tmp_path, SECRETS)
    state._unmarked_until = 0.0

    with caplog.at_level(logging.ERROR):
        assert adopt_segments(tmp_path, OWN, state=state) == []

    assert [name for name in left_in(tmp_path) if not name.endswith("-wal")] == [f"{logged[0].producer}.quarantined"]
    assert "telemetry spool accept" in caplog.text


@pytest.mark.parametrize("change", ["clear where events are sealed", "another key", "another service", "no record"])
@pytest.mark.parametrize("is_sealed", [True, False])
def test_record_that_the_service_cannot_have_logged(
    tmp_path: Path, change: str, caplog: pytest.LogCaptureFixture, *, is_sealed: bool
) -> None:
    own, logged = owner(is_sealed=is_sealed), records(3)
    if change == "clear where events are sealed":
        own = own._replace(may_be_clear=False)
    else:
        key, value = logged[1].key, logged[1].value
        if change == "another key":
            key = b"mallory:shop"
        else:
            value = b"{}" if change == "no record" else value.replace(b"/production/shop", b"/production/bank")
        logged[1] = SealedRecord.written(
            logged[1].event_id, producer=logged[1].producer, sequence=1, key=key, value=value
        )
    leave_segment(tmp_path, logged)

    assert adopt_segments(tmp_path, own) == []

    assert any(name.endswith(".quarantined") for name in left_in(tmp_path))
    assert "cannot have logged" in caplog.text


def test_sealed_segment_stays_closed_without_its_key(tmp_path: Path) -> None:
    path = leave_segment(tmp_path, records(3), of=OWN)

    segment = SpoolSegment.adopt(path)

    assert segment is not None
    assert segment.about is not None
    assert (segment.about.version, segment.about.source, segment.is_whole) == (4, "", False)
    segment.close()
    read(adopted_from(tmp_path))
