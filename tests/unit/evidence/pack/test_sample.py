from __future__ import annotations

import hashlib
import math
from collections import Counter

import pytest

from telemetry.evidence.pack.sample import METHOD, Sample, sample_ids
from telemetry.exceptions import ConfigurationError

IDS = [f"0198c0de-0000-7000-8000-{number:012x}" for number in range(200)]
SEED = "0123456789abcdef" * 4


def test_sample_is_what_the_documentation_defines() -> None:
    def rank(event_id: str) -> bytes:
        text = b"telemetry-evidence-sample/1\n" + bytes.fromhex(SEED) + event_id.encode()
        return hashlib.sha256(text).digest()

    assert METHOD == "telemetry-evidence-sample/1"
    assert sample_ids(IDS, Sample(size=20, seed=SEED)) == sorted(sorted(IDS, key=rank)[:20])


def test_sample_of_fixed_seed_never_changes() -> None:
    drawn = sample_ids(IDS, Sample(size=4, seed=SEED))
    assert [event_id[-2:] for event_id in drawn] == ["0d", "30", "42", "94"]


def test_order_and_copies_change_nothing() -> None:
    sample = Sample(size=30, seed=SEED)
    assert sample_ids(reversed(IDS), sample) == sample_ids([*IDS, *IDS], sample) == sample_ids(IDS, sample)


def test_small_population_is_drawn_whole() -> None:
    assert sample_ids(IDS[:5], Sample(size=10, seed=SEED)) == IDS[:5]
    assert sample_ids([], Sample(size=10, seed=SEED)) == []


def test_smaller_sample_is_part_of_the_larger() -> None:
    assert set(sample_ids(IDS, Sample(size=10, seed=SEED))) < set(sample_ids(IDS, Sample(size=11, seed=SEED)))


def test_every_event_is_drawn_as_often() -> None:
    seeds = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(2_000)]
    counts = Counter(event_id for seed in seeds for event_id in sample_ids(IDS[:40], Sample(size=10, seed=seed)))
    expected, spread = 500, math.sqrt(2_000 * 0.25 * 0.75)
    assert all(abs(counts[event_id] - expected) < 6 * spread for event_id in IDS[:40])


def test_fresh_seeds_differ() -> None:
    assert Sample.fresh(3).seed != Sample.fresh(3).seed


@pytest.mark.parametrize(
    ("size", "seed"),
    [(0, SEED), (1_001, SEED), (1, ""), (1, SEED[1:]), (1, SEED.upper()), (1, SEED[:-1] + "g"), (1, "٣" * 64)],
)
def test_sample_that_is_none(size: int, seed: str) -> None:
    with pytest.raises(ConfigurationError):
        Sample(size=size, seed=seed)
