from __future__ import annotations

from datetime import timedelta

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.reader.roster.history import RosterHistory, WitnessedStream
from tests.support.rosters import WITNESS, Witnessing, documents, read_up_to, stream
from tests.support.written_trail import Process, Signer

SOURCES = ("/production/payments", "/production/marketing", "/production/orders")


def _read(found: list[bytes]) -> RosterHistory:
    return RosterHistory.read(found, WITNESS.public)


def _grown() -> tuple[Witnessing, Process]:
    log, process = Witnessing(), Process()
    for _ in range(3):
        process.log()
        process.log()
        log.sign(stream(process), read_up_to(process.tree.size))
    return log, process


def _time(seen: WitnessedStream, size: int, root: bytes = b"any", *, final: bool = False) -> str:
    """Return when a checkpoint of this size and root was seen first; empty if it was not."""
    checkpoint = Checkpoint(source=SOURCES[0], producer="", size=size, root=root, time="", final=final)
    sighting = seen.first_sighting(checkpoint)
    return sighting.time if sighting is not None else ""


def test_log_of_a_witness_is_read() -> None:
    log, process = _grown()

    history = _read(log.documents)

    seen = history.streams[process.producer, process.source]
    assert (history.faults, history.gaps, history.foreign) == ([], [], 0)
    assert history.newest == log.rosters[-1]
    assert [sighting.entry.size for sighting in seen.sightings] == [2, 4, 6]
    assert seen.latest.root == process.tree.root()
    assert history.ranges["audit-events", 0].end == 6


def test_first_roster_with_as_many_records_says_when() -> None:
    log, process = _grown()
    seen = _read(log.documents).streams[process.producer, process.source]
    times = [roster.time for roster in log.rosters]

    assert [_time(seen, size) for size in (1, 3, 5)] == times
    assert _time(seen, 6, process.tree.root()) == times[2]
    assert _time(seen, 6, b"another") == ""
    assert _time(seen, 7) == ""


def test_roster_before_the_end_does_not_date_the_end() -> None:
    log, process = _grown()
    log.sign(stream(process, is_closed=True), read_up_to(7))
    seen = _read(log.documents).streams[process.producer, process.source]

    assert _time(seen, 6, process.tree.root()) == log.rosters[2].time
    assert _time(seen, 6, process.tree.root(), final=True) == log.rosters[3].time
    assert _time(seen, 3, final=True) == log.rosters[3].time


def test_copies_are_passed_over() -> None:
    log, _ = _grown()

    history = _read([*log.documents, *log.documents[1:]])

    assert history.faults == []
    assert history.newest == log.rosters[-1]


def test_absent_roster_is_a_gap() -> None:
    log, _ = _grown()

    history = _read([log.documents[0], log.documents[2]])

    assert len(history.gaps) == 1
    assert "from 2 to 3" in history.gaps[0]


def test_two_rosters_of_one_size_are_two_histories() -> None:
    log, _ = _grown()
    other = Witnessing()
    other.sign(read_up_to(1), read_up_to(2))

    history = _read([*log.documents, *other.documents])

    assert len(history.faults) == 1
    assert "two histories" in history.faults[0]


def test_roster_after_another_past_is_a_second_history() -> None:
    log, _ = _grown()
    other = Witnessing()
    other.sign(read_up_to(1), read_up_to(2))
    other.sign(read_up_to(3))

    history = _read([log.documents[0], other.documents[1]])

    assert len(history.faults) == 1


def test_time_that_runs_back_is_a_fault() -> None:
    log = Witnessing()
    log.sign(read_up_to(1))
    log.sign(read_up_to(2), later=timedelta(0))

    assert len(_read(log.documents).faults) == 1


def test_stream_that_shrinks_in_its_log_is_a_fault() -> None:
    log, process = Witnessing(), Process()
    before = stream(process)
    process.run(5)
    log.sign(stream(process))
    log.sign(before)

    assert len(_read(log.documents).faults) == 1


def test_producer_under_two_sources_is_two_streams() -> None:
    """Each of them may end, be smaller than the other and end at the same size: that is no fault of the witness."""
    log, one, other = Witnessing(), Process(), Process(service="marketing")
    one.run(9)
    log.sign(stream(one))
    other.run(5)
    log.sign(stream(other, is_chained=False))
    one.run(2)
    log.sign(stream(one, is_closed=True))

    history = _read(log.documents)

    assert history.faults == []
    sizes = {source: [entry.size for entry, _ in history.sightings(one.producer, source=source)] for source in SOURCES}
    assert sizes == {one.source: [9, 11], other.source: [5], "/production/orders": []}
    assert [history.streams[one.producer, each.source].is_chained for each in (one, other)] == [True, False]


def test_one_of_two_streams_that_shrinks_is_a_fault() -> None:
    log, one, other = Witnessing(), Process(), Process(service="marketing")
    before = stream(one)
    other.run(3)
    one.run(5)
    log.sign(stream(one), stream(other))
    log.sign(before)

    (fault,) = _read(log.documents).faults
    assert one.source in fault


def test_what_others_signed_counts_for_nothing() -> None:
    log, _ = _grown()
    stranger = Witnessing(Signer(8, "witness"))
    stranger.sign(read_up_to(99))

    history = _read([*documents(stranger.rosters), b"junk", *log.documents])

    assert history.foreign == 2
    assert history.ranges["audit-events", 0].end == 6


def test_unchained_growth_is_remembered() -> None:
    log, process = Witnessing(), Process()
    process.run(2)
    log.sign(stream(process, is_chained=False))
    process.run(2)
    log.sign(stream(process))

    assert not _read(log.documents).streams[process.producer, process.source].is_chained


def test_leaf_that_cannot_be_read_is_a_fault() -> None:
    log = Witnessing()
    log.sign("stream nonsense")

    assert len(_read(log.documents).faults) == 1
