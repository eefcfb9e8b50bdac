from __future__ import annotations

import pytest

from telemetry.format.proof.checkpoint import parse_text
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.proof.leaves import LEAVES_HEADER, IntervalLeaves
from telemetry.format.proof.signed_note import parse_note
from telemetry.format.roster.entries import StreamEntry
from telemetry.reader.entry import Place, RawRecord
from telemetry.witness.growth import Growth, KnownStreams
from tests.support.written_trail import TOPIC, Process


class Earlier:
    """What earlier rounds saw; counts how often it is asked."""

    def __init__(self) -> None:
        self.streams: dict[tuple[str, str], StreamEntry] = {}
        self.roots: dict[tuple[str, str, int], bytes] = {}
        self.asked = 0

    def stream(self, producer: str, *, source: str) -> StreamEntry | None:
        self.asked += 1
        return self.streams.get((producer, source))

    def root(self, producer: str, *, source: str, size: int) -> bytes | None:
        return self.roots.get((producer, source, size))

    def keep(self, growth: Growth) -> list[StreamEntry]:
        """Keep what a round saw; return its leaves."""
        changed = list(growth.changed())
        self.streams |= {(entry.producer, entry.source): entry for entry in changed}
        self.roots |= {(producer, source, size): root for producer, source, size, root in growth.roots()}
        return changed


def look(known: KnownStreams, *records: RawRecord) -> Growth:
    """Return what a round finds in these records."""
    growth = Growth(known, topic=TOPIC)
    for offset, record in enumerate(records):
        message = decode_checkpoint_message(record.value or b"")
        if message is None:
            continue
        checkpoint = parse_text(parse_note(message.data).text)
        headers = dict(record.headers)
        leaves = IntervalLeaves.decode(headers[LEAVES_HEADER], checkpoint) if LEAVES_HEADER in headers else None
        growth.add(checkpoint, leaves, signer="00112233", place=Place(TOPIC, 0, offset))
    return growth


def test_stream_that_grows_gets_one_leaf_a_round() -> None:
    known, process = Earlier(), Process(leaves=True)

    first = known.keep(look(known, *process.run(30, end=False)))
    second = known.keep(look(known, *process.run(20)))

    assert [(each.size, each.is_closed, each.is_chained) for each in (*first, *second)] == [
        (30, False, True),
        (50, True, True),
    ]
    assert second[0].root == process.tree.root()


def test_heartbeat_is_no_change() -> None:
    known, process = Earlier(), Process(leaves=True)
    known.keep(look(known, *process.run(10, end=False)))

    growth = look(known, process.checkpoint())

    assert known.keep(growth) == []
    assert growth.faults == []


def test_end_at_the_same_size_is_a_change() -> None:
    known, process = Earlier(), Process(leaves=True)
    known.keep(look(known, *process.run(10, end=False)))

    assert [each.is_closed for each in known.keep(look(known, process.checkpoint(final=True)))] == [True]


def test_late_copy_of_an_older_checkpoint_is_no_change() -> None:
    known, process = Earlier(), Process(leaves=True)
    records = process.run(20, end=False)
    known.keep(look(known, *records))

    growth = look(known, *records)

    assert known.keep(growth) == []
    assert growth.faults == []


@pytest.mark.parametrize("leaves", [True, False], ids=["v2", "v1"])
def test_other_root_of_a_known_size_is_a_fault(leaves: bool) -> None:
    known, process, rival = Earlier(), Process(leaves=leaves), Process(leaves=leaves)
    known.keep(look(known, *process.run(10)))

    growth = look(known, *[rival.log("mallory") for _ in range(10)], rival.checkpoint(final=True))

    assert len(growth.faults) == 1
    assert process.producer in growth.faults[0]


def test_interval_across_the_known_size_must_contain_it() -> None:
    known, process, rival = Earlier(), Process(leaves=True), Process(leaves=True)
    known.keep(look(known, *process.run(10, end=False)))

    growth = look(known, *[rival.log("mallory") for _ in range(15)], rival.checkpoint())

    assert len(growth.faults) == 1
    assert "do not extend" in growth.faults[0]


def test_longer_interval_of_the_same_stream_is_fine() -> None:
    known, process, again = Earlier(), Process(leaves=True), Process(leaves=True)
    known.keep(look(known, *process.run(10, end=False)))

    growth = look(known, *[again.log(f"user-{number % 3}") for number in range(15)], again.checkpoint())

    assert growth.faults == []
    assert [(each.size, each.is_chained) for each in known.keep(growth)] == [(15, True)]


def test_growth_without_leaves_is_unchained() -> None:
    known, process = Earlier(), Process()
    known.keep(look(known, *process.run(10, end=False)))

    assert [each.is_chained for each in known.keep(look(known, *process.run(20, end=False)))] == [False]


def test_absent_checkpoint_breaks_the_chain_of_the_round() -> None:
    known, process = Earlier(), Process(leaves=True)
    known.keep(look(known, *process.run(10, end=False)))
    records = process.run(30, end=False)

    assert [each.is_chained for each in known.keep(look(known, *records[11:]))] == [False]


@pytest.mark.parametrize("at_once", [True, False], ids=["one round", "two rounds"])
def test_other_source_of_a_producer_is_another_stream(at_once: bool) -> None:
    known, one, other = Earlier(), Process(leaves=True), Process(leaves=True, service="marketing")
    lives = [one.run(10), other.run(10, end=False)]

    rounds = [[*lives[0], *lives[1]]] if at_once else lives
    growths = [look(known, *rounds[0])]
    seen = known.keep(growths[0])
    for records in rounds[1:]:
        growths.append(look(known, *records))
        seen += known.keep(growths[-1])

    assert [growth.faults for growth in growths] == [[] for _ in rounds]
    assert [(each.source, each.size, each.is_closed, each.is_chained) for each in seen] == [
        (one.source, 10, True, True),
        (other.source, 10, False, True),
    ]
    assert [each.root for each in seen] == [one.tree.root(), other.tree.root()]


@pytest.mark.parametrize("size", [10, 15], ids=["other root", "other past"])
@pytest.mark.parametrize("service", ["payments", "marketing"])
def test_second_history_under_either_source_is_a_fault(service: str, size: int) -> None:
    known, one, other = Earlier(), Process(leaves=True), Process(leaves=True, service="marketing")
    known.keep(look(known, *one.run(10, end=False), *other.run(10, end=False)))

    rival = Process(leaves=True, service=service)
    (fault,) = look(known, *[rival.log("mallory") for _ in range(size)], rival.checkpoint()).faults

    assert f"{rival.producer} ({rival.source})" in fault


def test_streams_that_did_not_change_are_not_looked_up() -> None:
    known, processes = Earlier(), [Process(number, leaves=True) for number in range(50)]
    for process in processes:
        known.keep(look(known, *process.run(10, end=False)))
    known.asked = 0

    known.keep(look(known, *processes[7].run(10)))

    assert known.asked == 1
