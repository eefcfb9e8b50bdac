"""Which entries are shown: copies, conflicts, repeats, and records that do not belong here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from telemetry.exceptions import ConflictError
from telemetry.format.value.features import DEDUP, FEATURES_VERSION
from telemetry.format.value.members import Dedup
from telemetry.reader import DamagedRecord, Entry, OpenedEvent, Place, Proven, RawRecord, SealedEntry
from telemetry.reader.entry import EndedRun, RedactedEvent
from telemetry.reader.open.rules import ReadingRules
from telemetry.reader.open.sifting import EntrySieve
from tests.support.some_events import PRODUCER, opened

DIGESTS = ("A" * 43, "B" * 42 + "A")


def _event(content: bytes = b"a", *, sealed: bool = True, **fields: Any) -> OpenedEvent:
    entry = opened(**fields)
    return replace(entry, sealed=sealed, raw=RawRecord(b"key", content, entry.place))


def _call(sequence: int, *, digest: str = DIGESTS[0], caller: str | None = None, **fields: Any) -> OpenedEvent:
    dedup = Dedup(value="order 4711", digest=digest, caller=caller)
    content = b"%d %b" % (sequence, digest.encode())
    return _event(content, sequence=sequence, dedup=dedup, features=(DEDUP,), schema_version=FEATURES_VERSION, **fields)


def _sifted(*entries: Entry, **rules: Any) -> tuple[list[Entry], EntrySieve]:
    sieve = EntrySieve(ReadingRules(**rules))
    return [shown for entry in entries for shown in sieve.sift(entry)], sieve


def test_copy_is_left_out_and_counted() -> None:
    shown, sieve = _sifted(_event(), _event(), _event(b"b", sequence=8))

    assert [entry.event.sequence for entry in shown if isinstance(entry, OpenedEvent)] == [7, 8]
    assert (sieve.counts.copies, sieve.counts.conflicts) == (1, 0)


def test_rivals_are_shown_with_one_finding() -> None:
    shown, sieve = _sifted(_event(b"a"), _event(b"b"), _event(b"c"), _event(b"a"))

    events = [entry.raw.value for entry in shown if isinstance(entry, OpenedEvent)]
    findings = [entry.error for entry in shown if isinstance(entry, DamagedRecord)]
    assert events == [b"a", b"b", b"c"]
    assert [type(error) for error in findings] == [ConflictError]
    assert PRODUCER in str(findings[0])
    assert (sieve.counts.copies, sieve.counts.conflicts, sieve.counts.damaged) == (1, 1, 0)


def test_sealed_records_are_copies_byte_for_byte() -> None:
    place = Place("t", 0, 0)

    def sealed(key: bytes, value: bytes) -> SealedEntry:
        raw = RawRecord(key, value, place)
        return SealedEntry("id", PRODUCER, 7, "type", "time", place, raw)

    shown, sieve = _sifted(sealed(b"k", b"a"), sealed(b"k", b"b"), sealed(b"other", b"a"), sealed(b"k", b"a"))

    assert len(shown) == 3
    assert (sieve.counts.copies, sieve.counts.conflicts) == (1, 0)


def test_repeat_of_a_call_is_shown_once() -> None:
    repeats = _call(7), _call(8), _call(9, caller="billing"), _call(10, service_name="other")

    shown, sieve = _sifted(*repeats)
    everything, _ = _sifted(*repeats, repeats=True)

    assert [entry.event.sequence for entry in shown if isinstance(entry, OpenedEvent)] == [7, 9, 10]
    assert sieve.counts.repeats == 1
    assert len(everything) == 4


def test_same_value_for_other_content_is_a_conflict() -> None:
    shown, sieve = _sifted(_call(7), _call(8, digest=DIGESTS[1]))

    assert [type(entry) for entry in shown] == [OpenedEvent, OpenedEvent, DamagedRecord]
    assert sieve.counts.conflicts == 1


def _row(sequence: int, *, data: bytes = b"sealed", producer: str = "p", **fields: Any) -> OpenedEvent:
    value = b'{"producer":"%b","sequence":%d,"data":"%b"}' % (producer.encode(), sequence, data)
    return _event(value, **{"sequence": sequence, "producer": producer, "features": ("relayed",), **fields})


def test_row_that_was_relayed_twice_is_shown_once() -> None:
    rows = _row(7), _row(8), _row(0, producer="q"), _row(9, id="other"), _row(10, service_name="other")

    shown, sieve = _sifted(*rows)
    everything, _ = _sifted(*rows, repeats=True)

    assert [entry.event.sequence for entry in shown if isinstance(entry, OpenedEvent)] == [7, 9, 10]
    assert (sieve.counts.repeats, sieve.counts.conflicts, sieve.counts.copies) == (2, 0, 0)
    assert len(everything) == 5


def test_other_row_of_the_same_id_is_a_conflict() -> None:
    shown, sieve = _sifted(_row(7), _row(8, data=b"forged"))

    assert [type(entry) for entry in shown] == [OpenedEvent, OpenedEvent, DamagedRecord]
    assert sieve.counts.conflicts == 1


def test_unproven_row_hides_no_proven_one() -> None:
    rows = replace(_row(7), proven=Proven.NO), replace(_row(8), proven=Proven.YES)

    shown, sieve = _sifted(*rows)

    assert shown == list(rows)
    assert sieve.counts.repeats == 0


def test_repeated_row_of_a_repeatable_call_counts_once() -> None:
    dedup = _call(0).event.dedup
    features = ("dedup", "relayed")
    shown, sieve = _sifted(_row(7, dedup=dedup, features=features), _row(8, dedup=dedup, features=features))
    assert (len(shown), sieve.counts.repeats, sieve.counts.conflicts) == (1, 1, 0)


def test_logged_event_is_no_repeat_of_its_id() -> None:
    shown, sieve = _sifted(_row(7, features=()), _row(8, features=()))
    assert (len(shown), sieve.counts.repeats) == (2, 0)


def test_unproven_call_takes_no_place_of_a_proven_one() -> None:
    forged = replace(_call(7), proven=Proven.NO)
    genuine = replace(_call(8), proven=Proven.YES)

    shown, sieve = _sifted(forged, genuine)

    assert shown == [forged, genuine]
    assert sieve.counts.repeats == 0


def test_clear_events_are_foreign_where_events_are_sealed() -> None:
    clear, sealed = _event(b"forged", sealed=False), _event(b"genuine")

    left_out, sieve = _sifted(clear, sealed, needs_seals=True)
    shown, _ = _sifted(clear, sealed, needs_seals=True, foreign=True)
    normal, _ = _sifted(clear, needs_seals=False)

    assert left_out == [sealed]
    assert sieve.counts.foreign == 1
    assert [(entry.sealed, entry.is_foreign) for entry in shown if isinstance(entry, OpenedEvent)] == [
        (False, True),
        (True, False),
    ]
    assert normal == [clear]


def test_redacted_events_are_shown_once_and_counted() -> None:
    place = Place("t", 0, 0)
    one = RedactedEvent(
        source="/a/b", producer=PRODUCER, sequence=7, leaf=bytes(32), place=place, reason="asked", request="r-1"
    )
    run = EndedRun(source="/a/b", producer=PRODUCER, first=8, end=12, leaves=None, place=place, policy="7y")

    shown, sieve = _sifted(one, replace(one, place=Place("t", 0, 5)), run)

    assert shown == [one, run]
    assert (sieve.counts.redacted, sieve.counts.ended, sieve.counts.copies, sieve.counts.damaged) == (1, 4, 1, 0)
