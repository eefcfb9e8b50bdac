from __future__ import annotations

import pytest

from telemetry.evidence.pack.population import decode_population, encode_population
from telemetry.exceptions import FormatError

IDS = [f"0198c0de-0000-7000-8000-{number:012x}" for number in range(3)]


def test_population_is_sorted_and_comes_back() -> None:
    assert decode_population(encode_population([*reversed(IDS), IDS[0]])) == IDS
    assert decode_population(encode_population([])) == []


@pytest.mark.parametrize(
    "lines",
    [
        [IDS[1], IDS[0]],
        [IDS[0], IDS[0]],
        [IDS[0], ""],
        ["x"],
        [IDS[0].upper()],
        [IDS[0] + "\r"],
    ],
)
def test_other_lines_are_refused(lines: list[str]) -> None:
    with pytest.raises(FormatError):
        decode_population("".join(f"{line}\n" for line in lines).encode())


@pytest.mark.parametrize("data", [b"\xff\n", IDS[0].encode()])
def test_rubbish_is_no_population(data: bytes) -> None:
    with pytest.raises(FormatError):
        decode_population(data)
