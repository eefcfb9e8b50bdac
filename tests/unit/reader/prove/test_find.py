"""The positions of many events are found in one pass, whatever forged records claim."""

from __future__ import annotations

import pytest

from telemetry.format.value.message import parse
from telemetry.reader.entry import RawRecord
from telemetry.reader.prove import find
from telemetry.reader.prove.find import find_positions
from telemetry.reader.trust.policy import TrustPolicy
from tests.support.written_trail import Process, Signer, altered, topic

POLICY = TrustPolicy.of_keys([Signer().public])
ABSENT = "0198c0de-ffff-7000-8000-000000000000"


def id_of(record: RawRecord) -> str:
    found: str = parse(record.value or b"").attributes["id"]
    return found


def event(records: list[RawRecord], sequence: int) -> RawRecord:
    return next(record for record in records if b'"sequence":%d,' % sequence in (record.value or b""))


def test_each_event_has_its_position() -> None:
    records = topic(Process().run(95))
    ids = {sequence: id_of(event(records, sequence)) for sequence in (3, 42, 94)}

    found = find_positions(records, [*ids.values(), ABSENT], policy=POLICY)

    for sequence, event_id in ids.items():
        (position,) = found[event_id].positions
        assert (position.producer, position.sequence, position.is_trusted) == (Process().producer, sequence, True)
    assert found[ABSENT] == find.Claims((), is_crowded=False)


def test_flood_of_one_id_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "MAX_CLAIMS", 20)
    records = topic(Process().run(95))
    true, other = event(records, 42), event(records, 43)
    flood = [
        altered(true, lambda value, n=n: value.replace(b'"sequence":42,', b'"sequence":%d,' % n))  # type: ignore[misc]
        for n in range(100, 200)
    ]

    found = find_positions([*flood, *records], [id_of(true), id_of(other)], policy=POLICY)

    assert found[id_of(true)].is_crowded
    assert [position.sequence for position in found[id_of(other)].positions] == [43]
    assert not found[id_of(other)].is_crowded
