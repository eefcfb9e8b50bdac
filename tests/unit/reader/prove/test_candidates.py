"""Records that claim one sequence are kept in bounded memory, and found again by their leaf hash."""

from __future__ import annotations

import pytest

from telemetry.format.proof.merkle import leaf_hash
from telemetry.reader.prove import candidates
from telemetry.reader.prove.candidates import Candidates


def test_values_beyond_the_memory_are_read_from_the_file() -> None:
    kept = Candidates(memory=10)
    values = [b"value %d" % number for number in range(20)]
    for value in [*values, *values]:
        kept.add(value)
    assert len(kept) == 20
    assert [kept.get(leaf_hash(value)) for value in values] == values
    assert list(kept.first(3)) == values[:3]
    assert kept.get(leaf_hash(b"another")) is None
    kept.close()


def test_number_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "MAX_CANDIDATES", 5)
    kept = Candidates()
    for number in range(8):
        kept.add(b"%d" % number)
    assert (len(kept), kept.dropped) == (5, 3)
