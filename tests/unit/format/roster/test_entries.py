from __future__ import annotations

from dataclasses import replace

import pytest

from telemetry.exceptions import FormatError
from telemetry.format.roster.entries import parse_entry, require_leaf
from tests.support.rosters import read_up_to, stream
from tests.support.written_trail import Process


def test_stream_is_read_as_it_was_written() -> None:
    process = Process()
    process.run(3)
    entry = stream(process, offset=7, is_closed=True, is_chained=False)

    assert parse_entry(str(entry)) == entry


def test_range_is_read_as_it_was_written() -> None:
    entry = read_up_to(20, low=3, start=10, partition=4)

    assert parse_entry(str(entry)) == entry


def test_word_of_a_later_version_is_passed_over() -> None:
    assert parse_entry("digest audit-events 0 00ff") is None


@pytest.mark.parametrize(
    "change",
    [
        {"producer": "payments"},
        {"size": -1},
        {"size": 1 << 60},
        {"root": b"short"},
        {"signer": "payments"},
        {"topic": "two words"},
        {"partition": -2},
        {"source": "payments"},
        {"source": '/production/"'},
        {"source": "/production/" + "x" * 5_000},
    ],
)
def test_stream_in_another_form_is_refused(change: dict[str, object]) -> None:
    entry = replace(stream(Process()), **change)  # type: ignore[arg-type]

    with pytest.raises(FormatError):
        parse_entry(str(entry))


@pytest.mark.parametrize(
    "text", ["stream", "range audit-events 0 0 5 4", "range audit-events 0 0 0", "range a 0 0 00 1"]
)
def test_malformed_leaf_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse_entry(text)


@pytest.mark.parametrize("text", ["", "two\nlines", "a\x1b[2K"])
def test_leaf_is_one_line(text: str) -> None:
    with pytest.raises(FormatError):
        require_leaf(text)
