"""W, without any key, writes records under the name of a trusted process that name ever other data keys."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from telemetry.format import canonical_base64
from telemetry.reader import Place, RawRecord
from telemetry.reader.verify.verifier import Verifier
from tests.support.written_trail import TOPIC, Process, Signer, topic

_MIB = 1 << 20
_KEYS = 3_000
_RECORDS = 64


def records_with_other_keys(process: Process, keys: int, records: int) -> Iterator[RawRecord]:
    """Yield records that differ in the wrapped data key and in their number."""
    template = process.log()
    wrapped = canonical_base64.encode(process.data_key.wrapped).encode()
    for number in range(keys):
        other = canonical_base64.encode(number.to_bytes(96, "big")).encode().ljust(len(wrapped), b"A")[: len(wrapped)]
        value = (template.value or b"").replace(wrapped, other)
        for copy in range(records):
            sequence = number * records + copy + 100
            text = value.replace(b'"sequence":10,', b'"sequence":%d,' % sequence)
            yield RawRecord(template.key, text, Place(TOPIC, 0, sequence))


def test_ever_other_data_keys_cost_bounded_memory() -> None:
    process = Process(1)
    verifier = Verifier([Signer().public])
    verifier.observe_all(topic(process.run(10, end=False)))
    tracemalloc.start()
    try:
        verifier.observe_all(records_with_other_keys(process, _KEYS, _RECORDS))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 24 * _MIB


def test_ever_other_data_keys_hide_no_alteration_of_later_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is full of forged data keys; a later one is the process's own, and a record is moved to it."""
    monkeypatch.setattr("telemetry.reader.verify.streams._MAX_GROUPS", 20)
    process, other = Process(1), Process(2)
    life = process.run(10, end=False)
    forged = list(records_with_other_keys(Process(1), 40, 1))
    process.data_key = other.data_key
    life += process.run(10, every=20)
    wrapped = canonical_base64.encode(other.data_key.wrapped).encode()
    first = canonical_base64.encode(Process(1).data_key.wrapped).encode()
    moved = life[15]._replace(value=(life[15].value or b"").replace(wrapped, first))
    verifier = Verifier([Signer().public])
    verifier.observe_all(topic([*life[:11], *forged, *life[11:15], moved, *life[16:]]))

    findings = verifier.report().producer(process.producer).findings

    assert "wrappedkey" in {finding.field for finding in findings}
