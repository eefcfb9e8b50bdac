from __future__ import annotations

import csv
import io
import json

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.index.search import Search
from telemetry.explorer.jobs.event_export import PIECE_BYTES, EventExport, ExportFormat
from telemetry.explorer.jobs.gathering import PAGE_ROWS, count_found, found_ids
from telemetry.reader import EventFilter
from telemetry.reader.mappings import EVENT
from tests.support.hostile_events import BIDI, CONTROLS, SCRIPT
from tests.support.index_entries import an_event, id_of, left_sealed, opened

FORMULAS = ["=1+1", "@SUM(A1)", "+1", "-1", "\t=1", "\uff1d1", "'=1", f"={BIDI}", "\n=1", f"={CONTROLS}{SCRIPT}"]


def whole(index: EventIndex, search: Search, form: ExportFormat) -> bytes:
    return b"".join(EventExport(index, search, form=form).pieces())


def test_no_cell_is_a_formula() -> None:
    index = EventIndex()
    index.add(opened(an_event(number, user_id=text, entity=text)) for number, text in enumerate(FORMULAS))

    rows = list(csv.DictReader(io.StringIO(whole(index, Search(newest_first=False), ExportFormat.CSV).decode(), "")))

    assert [row["user_id"] for row in rows] == [f"'{text}" for text in FORMULAS]
    assert [row["entity"] for row in rows] == [f"'{text}" for text in FORMULAS]


def test_each_event_is_one_line_of_json() -> None:
    index = EventIndex()
    index.add(opened(an_event(number, payload={"note": text})) for number, text in enumerate(FORMULAS))

    lines = whole(index, Search(newest_first=False), ExportFormat.JSON_LINES).splitlines()

    assert [json.loads(line)["payload"]["note"] for line in lines] == FORMULAS


@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_add_up_to_the_search(*, newest_first: bool) -> None:
    index, count = EventIndex(), 2 * PAGE_ROWS + 500
    index.add(opened(an_event(number, user_id=f"user-{number % 2}")) for number in range(count))
    search = Search(wanted=EventFilter(users=frozenset({"user-1"})), newest_first=newest_first)

    lines = whole(index, search, ExportFormat.JSON_LINES).splitlines()

    expected = [id_of(number) for number in range(1, count, 2)]
    assert [json.loads(line)["id"] for line in lines] == (expected[::-1] if newest_first else expected)


def test_what_arrives_meanwhile_is_not_exported() -> None:
    index = EventIndex()
    index.add(opened(an_event(number)) for number in range(PAGE_ROWS + 10))
    export = EventExport(index, Search(newest_first=False), form=ExportFormat.JSON_LINES)
    pieces = export.pieces()
    first = next(pieces)

    index.add(opened(an_event(number)) for number in range(PAGE_ROWS + 10, 2 * PAGE_ROWS))

    assert len((first + b"".join(pieces)).splitlines()) == export.events == PAGE_ROWS + 10


def test_search_that_ends_early_exports_nothing() -> None:
    index = EventIndex(patience=0.0)
    index.add(opened(an_event(number, payload={"n": number})) for number in range(5_000))
    search = Search(wanted=EventFilter(where=("payload.n=4999",)))

    with pytest.raises(ConfigurationError, match="too long"):
        EventExport(index, search, form=ExportFormat.CSV)
    with pytest.raises(ConfigurationError, match="too long"):
        found_ids(index, search, with_content=True, most=10)


def test_half_filled_index_exports_and_samples_nothing() -> None:
    index = EventIndex()
    index.progress.begin()
    index.add([opened(an_event(1))])

    with pytest.raises(ConfigurationError, match="still being read"):
        EventExport(index, Search(), form=ExportFormat.CSV)
    with pytest.raises(ConfigurationError, match="still being read"):
        count_found(index, Search(), with_content=True)


def test_search_without_events_is_no_export() -> None:
    with pytest.raises(ConfigurationError, match="finds no event"):
        EventExport(EventIndex(), Search(), form=ExportFormat.CSV)


@pytest.mark.parametrize("form", ExportFormat)
def test_sealed_event_is_there_without_content(form: ExportFormat) -> None:
    index = EventIndex()
    index.add([left_sealed(1), opened(an_event(2))])

    text = whole(index, Search(), form).decode()

    rows = (
        list(csv.DictReader(io.StringIO(text, "")))
        if form is ExportFormat.CSV
        else [json.loads(line) for line in text.splitlines()]
    )
    assert [row["id"] for row in rows] == [id_of(2), id_of(1)]
    assert rows[0]["user_id"] == "ada"
    assert not rows[1].get("user_id")
    assert rows[1]["service_name"] == rows[0]["service_name"] == "shop"


def test_time_beyond_the_day_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    index = EventIndex()
    index.add(opened(an_event(number, time=f"2026-01-02T25:00:00.{number:06}Z")) for number in range(50))
    index.add([opened(an_event(60))])

    rows = list(csv.DictReader(io.StringIO(whole(index, Search(), ExportFormat.CSV).decode(), "")))
    lines = whole(index, Search(), ExportFormat.JSON_LINES).splitlines()

    assert [row["id"] for row in rows] == [id_of(60)]
    assert len(lines) == 51
    assert [record.getMessage().split(" ")[0] for record in caplog.records] == ["50"]


def test_export_has_the_form_of_the_command() -> None:
    index, entry = EventIndex(), opened(an_event(1, payload={"a": [1]}), via="/test/gateway")
    index.add([entry])

    (line,) = whole(index, Search(), ExportFormat.JSON_LINES).splitlines()

    assert json.loads(line) == EVENT.record(entry)


def test_two_records_of_one_id_are_one_event_of_the_basket() -> None:
    index = EventIndex()
    index.add([opened(an_event(1)), opened(an_event(1), salt=" "), opened(an_event(2))])

    assert found_ids(index, Search(newest_first=False), with_content=True, most=10) == [id_of(1), id_of(2)]


@pytest.mark.parametrize("form", ExportFormat)
def test_pieces_of_large_events_are_small(form: ExportFormat) -> None:
    index, large = EventIndex(), "x" * 100_000
    index.add(opened(an_event(number, payload={"note": large})) for number in range(30))

    pieces = list(EventExport(index, Search(), form=form).pieces())

    assert max(map(len, pieces)) < PIECE_BYTES + 2 * len(large)
    assert sum(map(len, pieces)) > 30 * len(large)
