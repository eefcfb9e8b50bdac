from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from telemetry.evidence.build import selection as module
from telemetry.evidence.build.selection import Selection
from telemetry.evidence.pack.sample import Sample, sample_ids
from telemetry.evidence.request import EvidenceRequest
from telemetry.exceptions import ConfigurationError, KeyUnreachableError, TamperedError
from telemetry.format.value.event import AuditEvent
from telemetry.reader import DamagedRecord, EventFilter, OpenedEvent, Place, RawRecord, SealedEntry
from telemetry.reader.open.rules import ReadCounts

PLACE = Place("topic", 0, 1)
RAW = RawRecord(b"key", b"value", PLACE)
IDS = [f"0198c0de-0000-7000-8000-{number:012x}" for number in range(300)]


def entry(event_id: str, time: str = "2026-03-01T00:00:00.000000Z") -> SealedEntry:
    return SealedEntry(event_id, "producer", 0, "type", time, PLACE, RAW)


def opened(event_id: str) -> OpenedEvent:
    event = AuditEvent(
        id=event_id,
        time="2026-03-01T00:00:00.000000Z",
        event_type="type",
        user_id="ada",
        payload=None,
        service_name="shop",
        environment="test",
        producer=IDS[0],
        sequence=0,
        schema_version=1,
    )
    return OpenedEvent(event, PLACE, sealed=True, raw=RAW)


def selected(request: EvidenceRequest, ids: list[str], *, own: str | None = None) -> Selection:
    selection = Selection(request, own=own)
    for event_id in ids:
        selection.add(entry(event_id))
    return selection


def kept(selection: Selection) -> list[str]:
    return [each.event_id for each in selection.events]


@pytest.mark.parametrize("size", [1, 7, 299, 300, 301])
def test_streamed_sample_is_the_defined_one(size: int) -> None:
    sample = Sample(size=size, seed="0f" * 32)
    selection = selected(EvidenceRequest(sample=sample, content=False), [*IDS[100:], *IDS[:100], *IDS])
    assert kept(selection) == sample_ids(IDS, sample)
    assert selection.population == set(IDS)


def test_own_read_is_no_part_of_what_was_asked() -> None:
    selection = selected(EvidenceRequest(content=False), IDS[:3], own=IDS[1])
    assert kept(selection) == [IDS[0], IDS[2]]
    assert IDS[1] not in selection.population


def test_sealed_events_are_selected_by_time_and_id() -> None:
    request = EvidenceRequest(
        wanted=EventFilter(since="2026-03-02T00:00:00.000000Z", until="2026-03-03T00:00:00.000000Z"), content=False
    )
    selection = Selection(request, own=None)
    for event_id, day in zip(IDS, (1, 2, 3, 4), strict=False):
        selection.add(entry(event_id, f"2026-03-0{day}T00:00:00.000000Z"))
    assert kept(selection) == IDS[1:3]
    assert kept(selected(EvidenceRequest(ids=(IDS[5],), content=False), IDS)) == [IDS[5]]


def _damaged(error: Exception, *, is_foreign: bool = False) -> DamagedRecord:
    return DamagedRecord(PLACE, error, RAW, is_foreign)  # type: ignore[arg-type]


def test_what_could_not_be_read_is_counted() -> None:
    selection = Selection(EvidenceRequest(), own=None)
    selection.add(_damaged(TamperedError("x")))
    selection.add(_damaged(TamperedError("x"), is_foreign=True))
    selection.add(_damaged(KeyUnreachableError("x")))
    counts = selection.counts(ReadCounts(foreign=7))
    assert (counts.damaged, counts.unopened, counts.foreign, counts.selected) == (1, 1, 7, 0)


@pytest.mark.parametrize("event_id", ["../../etc/passwd", "", IDS[0].upper(), "x" * 10_000, "\u202e\x00"])
def test_record_with_another_id_is_damaged(event_id: str) -> None:
    selection = selected(EvidenceRequest(content=False), [event_id, IDS[0]])
    assert kept(selection) == [IDS[0]]
    assert selection.counts(ReadCounts()).damaged == 1


def _ids() -> Iterator[str]:
    return (f"0198c0de-0000-7000-8000-{number:012x}" for number in itertools.count())


def test_too_many_events_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="more than 1,000 events are selected"):
        selected(EvidenceRequest(content=False), list(itertools.islice(_ids(), 1_001)))


def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT_BYTES", 10 * len(RAW.value or b""))
    sample = Sample.fresh(5)
    drawn = Selection(EvidenceRequest(sample=sample), own=None)
    for event_id in IDS:
        drawn.add(opened(event_id))
    assert kept(drawn) == sample_ids(IDS, sample)
    whole = Selection(EvidenceRequest(), own=None)
    for event_id in IDS[:10]:
        whole.add(opened(event_id))
    with pytest.raises(ConfigurationError, match="MiB together"):
        whole.add(opened(IDS[10]))


def test_too_large_population_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_POPULATION", 50)
    with pytest.raises(ConfigurationError, match="more than 50 events"):
        selected(EvidenceRequest(sample=Sample.fresh(5), content=False), IDS)
