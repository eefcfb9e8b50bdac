"""The spool file: whole commits, one owner, and no altered byte taken for a record."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from telemetry.audit.producer import TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.packing import Row
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.audit.spool.sqlite_file import DamagedSegmentError, create
from telemetry.audit.spool.tables import MAX_FLIP_BYTES
from telemetry.audit.spool.wal_check import wal_of
from telemetry.exceptions import SpoolError
from tests.support.leftovers import leave_segment, records


def _segment(folder: Path, producer: str, *, flip_bytes: int = MAX_FLIP_BYTES) -> SpoolSegment:
    return SpoolSegment.create(
        folder, producer=producer, topic="audit-events", source="/production/shop", flip_bytes=flip_bytes
    )


def _adopted(path: Path) -> SpoolSegment:
    segment = SpoolSegment.adopt(path)
    assert segment is not None
    return segment


def _rows(logged: list[SealedRecord]) -> list[Row]:
    return [(record.sequence or 0, record.event_id, record.key, record.value) for record in logged]


def test_committed_records_come_back_byte_by_byte(tmp_path: Path) -> None:
    logged = records(2_500)
    path = leave_segment(tmp_path, logged)

    segment = _adopted(path)

    assert list(segment.rows()) == _rows(logged)
    assert segment.about is not None
    assert (segment.about.producer, segment.about.topic) == (logged[0].producer, "audit-events")
    assert segment.damage == ""
    segment.close()


def test_settled_records_do_not_come_back(tmp_path: Path) -> None:
    logged = records(10)
    path = leave_segment(tmp_path, logged, settled=7)

    segment = _adopted(path)

    assert [row[0] for row in segment.rows()] == [7, 8, 9]
    segment.close()


def test_tree_of_the_last_commit_comes_back(tmp_path: Path) -> None:
    logged = records(4)
    segment = _segment(tmp_path, logged[0].producer)
    segment.append(logged[:2], settled_below=0, tree=TreeState(logged[0].producer, 2, b"two"))
    segment.append(logged[2:], settled_below=0, tree=TreeState(logged[0].producer, 4, b"four"))
    segment.note_settled(3)
    segment.close()

    again = _adopted(segment.path)

    assert again.tree == TreeState(logged[0].producer, 4, b"four")
    assert again.settled_below == 3
    again.close()


@pytest.mark.parametrize("noted_at", [1, 3, 7, None])
def test_progress_of_the_last_commit_comes_back(tmp_path: Path, noted_at: int | None) -> None:
    """It is in the row, or in the notes for a commit without records; here also across tables that change roles."""
    logged = records(400, size=10_000)
    segment = _segment(tmp_path, logged[0].producer, flip_bytes=1 << 19)
    for number, start in enumerate(range(0, 400, 40)):
        segment.append(
            logged[start : start + 40],
            settled_below=max(start - 60, 0),
            tree=TreeState(logged[0].producer, start + 40, b"%d" % start),
        )
        if number == noted_at:
            segment.note_settled(max(start - 50, 0))
    segment.close()

    again = _adopted(segment.path)

    assert again.tree == TreeState(logged[0].producer, 400, b"360")
    assert again.settled_below == 300
    assert list(again.rows()) == _rows(logged[300:])
    again.close()


def test_records_committed_late_come_back_in_order(tmp_path: Path) -> None:
    """A disk failed in between: records saved at the end come before those that were committed already."""
    logged = records(30)
    segment = _segment(tmp_path, logged[0].producer)
    segment.append(logged[:10], settled_below=0, tree=None)
    segment.append(logged[20:], settled_below=20, tree=None)
    segment.append(logged[10:20], settled_below=10, tree=None)
    segment.close()

    again = _adopted(segment.path)

    assert list(again.rows()) == _rows(logged[10:])
    again.close()


def test_file_stops_growing_while_records_are_settled(tmp_path: Path) -> None:
    producer = records(1)[0].producer
    segment = _segment(tmp_path, producer)
    sizes = []
    for first in range(0, 6_000, 100):
        segment.append(records(100, producer=producer, first=first, size=10_000), settled_below=first, tree=None)
        sizes.append(segment.size)

    assert max(sizes) < 60 << 20
    assert max(sizes[40:]) <= max(sizes[:40])
    segment.remove()
    assert list(tmp_path.iterdir()) == []


def test_living_process_keeps_its_segment(tmp_path: Path) -> None:
    segment = _segment(tmp_path, records(1)[0].producer)

    assert SpoolSegment.adopt(segment.path) is None

    segment.close()
    _adopted(segment.path).close()


def test_one_of_four_threads_adopts_the_segment(tmp_path: Path) -> None:
    path = leave_segment(tmp_path, records(3))
    adopted: list[SpoolSegment] = []
    begin = threading.Barrier(4)

    def adopt() -> None:
        begin.wait()
        segment = SpoolSegment.adopt(path)
        if segment is not None:
            adopted.append(segment)

    threads = [threading.Thread(target=adopt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(adopted) == 1
    adopted[0].close()


_ADOPTER = """
import sys
from pathlib import Path
from telemetry.audit.spool.segment import SpoolSegment
sys.stdin.readline()
segment = SpoolSegment.adopt(Path(sys.argv[1]))
print("got it" if segment is not None else "none", flush=True)
sys.stdin.readline()
"""


def test_one_of_three_processes_adopts_the_segment(tmp_path: Path) -> None:
    path = leave_segment(tmp_path, records(3))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _ADOPTER, str(path)]
    adopters = [
        subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    for adopter in adopters:
        assert adopter.stdin is not None
        adopter.stdin.write("go\n")
        adopter.stdin.flush()
    answers = []
    for adopter in adopters:
        assert adopter.stdout is not None
        answers.append(adopter.stdout.readline().strip())
    for adopter in adopters:
        adopter.communicate("end\n", timeout=30)

    assert sorted(answers) == ["got it", "none", "none"]


def test_settled_segment_is_not_adopted(tmp_path: Path) -> None:
    segment = _segment(tmp_path, records(1)[0].producer)

    segment.remove()

    assert SpoolSegment.adopt(segment.path) is None
    assert list(tmp_path.iterdir()) == []


def test_kill_before_the_first_commit_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "018f3b1c-0000-7000-8000-000000000001.spool"
    path.touch(0o600)
    create(path, patience=0.0).close()
    assert path.stat().st_size > 0

    assert SpoolSegment.adopt(path) is None

    assert list(tmp_path.iterdir()) == []


def test_failed_commit_leaves_nothing(tmp_path: Path) -> None:
    logged = records(3)
    segment = _segment(tmp_path, logged[0].producer)
    segment.append(logged[:1], settled_below=0, tree=None)
    segment._connection.execute("PRAGMA max_page_count = 1")

    with pytest.raises(SpoolError, match="free space on its disk"):
        segment.append(records(1, producer=logged[0].producer, first=1, size=200_000), settled_below=0, tree=None)
    segment._connection.execute("PRAGMA max_page_count = 100000")
    segment.append(logged[2:], settled_below=0, tree=None)

    assert [row[0] for row in segment.rows()] == [0, 2]
    segment.close()


def test_overwritten_bytes_are_noticed_or_harmless(tmp_path: Path) -> None:
    logged = [record for first in range(0, 300, 30) for record in records(30, producer=PRODUCER, first=first, size=300)]
    path = tmp_path / f"{PRODUCER}.spool"
    segment = _segment(tmp_path, PRODUCER)
    for first in range(0, 300, 30):
        segment.append(logged[first : first + 30], settled_below=0, tree=None)
    segment.close()
    whole, expected = path.read_bytes(), set(_rows(logged))

    for start in range(0, len(whole), 997):
        damaged = bytearray(whole)
        damaged[start : start + 3] = bytes(byte ^ 0x55 for byte in damaged[start : start + 3])
        path.write_bytes(bytes(damaged))
        salvaged, noticed = _salvage(path)

        # No altered bytes are accepted as a record, and a record is missing only when the damage was noticed.
        assert salvaged <= expected
        assert noticed or salvaged == expected


def _salvage(path: Path) -> tuple[set[Row], bool]:
    """Read as the adoption does; return the rows, and whether the damage was noticed."""
    try:
        segment = SpoolSegment.adopt(path)
    except DamagedSegmentError:
        return set(), True
    assert segment is not None
    salvaged: set[Row] = set()
    noticed = bool(segment.damage)
    try:
        salvaged.update(segment.rows())
    except SpoolError:
        noticed = True
        salvaged.update(segment.rows_backwards())
    segment.close()
    return salvaged, noticed


@pytest.mark.parametrize("part", [0.0005, 0.2, 0.5, 0.8, 0.9])
def test_log_damaged_in_its_middle_is_kept(tmp_path: Path, part: float) -> None:
    path, log = _left_with_log(tmp_path)
    content = bytearray(log.read_bytes())
    start = int(len(content) * part)
    content[start] ^= 0xFF
    log.write_bytes(bytes(content))

    try:
        segment = _adopted(path)
    except DamagedSegmentError as exc:
        damage = str(exc)
    else:
        damage = segment.damage
        segment.close()

    assert "damaged in the middle" in damage
    assert path.with_suffix(".damaged-wal").read_bytes() == bytes(content)
    assert path.with_suffix(".damaged-wal").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("cut", [1, 100, 40_000])
@pytest.mark.parametrize("length", ["shorter", "as long"])
def test_torn_last_write_is_no_damage(tmp_path: Path, cut: int, length: str) -> None:
    path, log = _left_with_log(tmp_path)
    whole = log.read_bytes()
    # A log that is written anew from its start is as long as before: after the tear there is something older.
    log.write_bytes(whole[:-cut] + (bytes(cut) if length == "as long" else b""))

    segment = _adopted(path)

    assert segment.damage == ""
    positions = [row[0] for row in segment.rows()]
    assert positions == list(range(len(positions)))
    assert len(positions) >= 18
    segment.close()


def test_log_of_few_bytes_is_undamaged(tmp_path: Path) -> None:
    path, log = _left_with_log(tmp_path)
    log.write_bytes(log.read_bytes()[:20])

    assert SpoolSegment.adopt(path) is None
    assert list(tmp_path.iterdir()) == []


def _left_with_log(folder: Path) -> tuple[Path, Path]:
    """Leave a segment of 20 commits that are all in its write-ahead log."""
    segment = _segment(folder, PRODUCER)
    for sequence in range(20):
        segment.append(records(1, producer=PRODUCER, first=sequence), settled_below=0, tree=None)
    kept = {name: name.read_bytes() for name in (segment.path, wal_of(segment.path))}
    segment.close()
    for name, content in kept.items():
        name.write_bytes(content)
        name.chmod(0o600)
    return segment.path, wal_of(segment.path)


PRODUCER = "018f3b1c-0000-7000-8000-000000000001"


@pytest.mark.parametrize("content", [b"SQLite format 3\x00", b"rubbish" * 1_000, bytes(65_536)])
def test_foreign_file_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"{PRODUCER}.spool"
    path.write_bytes(content)

    with pytest.raises(DamagedSegmentError, match=PRODUCER):
        SpoolSegment.adopt(path)


_SHORT_OF_DESCRIPTORS = """
import os, resource, sys
from pathlib import Path
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.audit.spool.sqlite_file import DamagedSegmentError
from telemetry.exceptions import SpoolError
used = len(os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (used - 1, used + 50))
try:
    SpoolSegment.adopt(Path(sys.argv[1]))
except DamagedSegmentError:
    sys.exit("it counts as damaged")
except SpoolError:
    print("later")
"""


def test_shortage_of_descriptors_is_no_damage(tmp_path: Path) -> None:
    path = leave_segment(tmp_path, records(1))

    done = _run(_SHORT_OF_DESCRIPTORS, path)

    assert (done.stdout.strip(), done.returncode) == ("later", 0), done.stderr
    _adopted(path).close()


_STARTERS = """
import os, sys
from pathlib import Path
from telemetry.audit.spool.own_files import open_folder
children = []
for _ in range(6):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for _ in range(100):
                open_folder(Path(sys.argv[1]))
            code = 0
        finally:
            os._exit(code)
    children.append(child)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


def test_processes_check_one_folder_at_once(tmp_path: Path) -> None:
    # Forked processes have much in common, the number of their main thread too.
    done = _run(_STARTERS, tmp_path / "spool")

    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "spool").iterdir()) == []


def _run(script: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
