"""Hostile records thrown at a reader with trusted keys: no traceback, and no genuine event is lost from the output."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.exceptions import MalformedRecordError
from telemetry.format.proof.leaves import LEAVES_HEADER
from telemetry.reader import DamagedRecord, Place, Proven, RawRecord, SealedEntry, TrailReader
from telemetry.reader.open.rules import ReadingRules
from telemetry.reader.trust.policy import TrustPolicy
from tests.attacks.forge import rival
from tests.support.written_trail import Process, Signer, topic

PLACE = Place("audit-events", 0, 999)
WITH_LEAVES = topic(Process(1, leaves=True).run(12, every=5))
BARE = topic(Process(2).run(12, every=5))
STRANGER = topic(Process(3, signer=Signer(7, "stranger"), leaves=True).run(4))
GENUINE = [*WITH_LEAVES, *BARE]
EVENTS = [record for record in GENUINE if record.key is not None and b":" in record.key]

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def _altered(draw: st.DrawFn) -> RawRecord:
    """Return a genuine record with some bytes, its key, or its headers changed."""
    record = draw(st.sampled_from(GENUINE))
    value = bytearray(record.value or b"")
    for _ in range(draw(st.integers(0, 3))):
        value[draw(st.integers(0, len(value) - 1))] = draw(st.integers(0, 255))
    headers = draw(st.sampled_from([record.headers, (), ((LEAVES_HEADER, draw(st.binary(max_size=80))),)]))
    key = draw(st.sampled_from([record.key, None, b"", b"other"]))
    return RawRecord(key, bytes(value), PLACE, headers=headers)


@st.composite
def _claiming(draw: st.DrawFn) -> RawRecord:
    """Return any JSON object that claims a place in a stream."""
    members: dict[str, Any] = draw(st.dictionaries(st.text(max_size=8), _json, max_size=4))
    members["producer"] = draw(st.sampled_from([Process(1).producer, Process(2).producer, Process(9).producer, "x"]))
    members["sequence"] = draw(st.integers(-2, 1 << 60))
    return RawRecord(b"key", msgspec.json.encode(members), PLACE)


_hostile = st.one_of(
    _altered(),
    _claiming(),
    st.binary(max_size=200).map(lambda value: RawRecord(b"key", value, PLACE)),
    st.builds(rival, st.sampled_from(EVENTS), st.integers(0, 5)),
    st.sampled_from(STRANGER),
    st.just(RawRecord(None, None, PLACE)),
    st.just(DamagedRecord(PLACE, MalformedRecordError("cannot be read"), RawRecord(None, None, PLACE))),
)


@given(hostile=st.lists(_hostile, max_size=12), order=st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_no_genuine_event_is_lost(hostile: list[RawRecord | DamagedRecord], order: Any) -> None:
    records: list[RawRecord | DamagedRecord] = [*GENUINE, *hostile]
    order.shuffle(records)
    rules = ReadingRules(policy=TrustPolicy.of_keys([Signer().public]), needs_seals=True)
    reader = TrailReader(records, provider=None, rules=rules)
    entries = list(reader)
    reader.close()

    shown = {entry.raw.value: entry.proven for entry in entries if isinstance(entry, SealedEntry)}
    genuine = {record.value for record in EVENTS}
    assert genuine <= set(shown)
    # Leaves prove each record by itself; where there are none, rivals can at most leave it open.
    with_leaves = {record.value for record in WITH_LEAVES}
    assert {shown[value] for value in genuine & with_leaves} == {Proven.YES}
    assert {shown[value] for value in genuine - with_leaves} <= {Proven.YES, Proven.PENDING}
    assert not [value for value, proven in shown.items() if proven is Proven.YES and value not in genuine]
