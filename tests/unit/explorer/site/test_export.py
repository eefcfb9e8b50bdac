from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator

import pytest

from telemetry.explorer.access.right import Right
from telemetry.explorer.jobs import event_export
from telemetry.reader import EventFilter
from tests.unit.explorer.jobs.conftest import SignedTrail
from tests.unit.explorer.jobs.conftest import trail as trail  # noqa: PLC0414 - a fixture of these tests too
from tests.unit.explorer.site.visiting import Explorer, explorer_of, text_of


@pytest.fixture
async def explorer(trail: SignedTrail) -> AsyncIterator[Explorer]:
    async with explorer_of(trail, policy=trail.policy) as explorer:
        yield explorer


async def test_exactly_what_is_filtered_is_exported(trail: SignedTrail, explorer: Explorer) -> None:
    visitor = explorer.visitor("dora")

    answer = await visitor.post("/export", {"take-form": "jsonl", "user": "user-2", "order": "oldest"})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"].endswith('.jsonl"')
    events = [json.loads(line) for line in answer.text.splitlines()]
    assert [event["id"] for event in events] == [trail.ids[number] for number in range(2, 30, 5)]
    assert all(event["proven"] == "yes" for event in events)
    (recorded,) = trail.opened(EventFilter(types=("telemetry.exported",), users=frozenset({"dora"})))
    assert recorded.payload["events"] == 6
    assert recorded.payload["description"] == {"form": "jsonl", "filters": {"users": ["user-2"], "order": "oldest"}}


async def test_csv_has_a_row_for_each_event(explorer: Explorer) -> None:
    answer = await explorer.visitor().post("/export", {"take-form": "csv", "type": "work"})

    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert len(rows) == 30
    assert rows[0]["event_type"] == "work"
    assert answer.headers["content-type"].startswith("text/csv")


@pytest.mark.parametrize(
    ("right", "reason", "status"),
    [(Right.READ, "INC-77", 403), (Right.SEALED, None, 403), (Right.EXPORT, None, 403)],
    ids=["reader", "sealed viewer", "closed"],
)
async def test_who_may_not_export_gets_nothing(
    *, explorer: Explorer, right: Right, reason: str | None, status: int
) -> None:
    visitor = explorer.visitor("eve", right=right, reason=reason)

    answer = await visitor.post("/export", {"take-form": "jsonl", "type": "work"})

    assert answer.status_code == status
    assert "user-" not in answer.text


@pytest.mark.parametrize(
    "fields",
    [
        {"take-form": "exe", "type": "work"},
        {"type": "work"},
        {"take-form": "csv", "outcome": "nonsense"},
        {"take-form": "csv", "no-such-filter": "x"},
        {"take-form": "csv", "since": "x" * 20_000},
    ],
    ids=["form", "no form", "outcome", "unknown", "long"],
)
async def test_what_cannot_be_read_exports_nothing(explorer: Explorer, fields: dict[str, str]) -> None:
    answer = await explorer.visitor().post("/export", fields)

    assert answer.status_code == 400
    assert "content-disposition" not in answer.headers


async def test_too_many_events_are_refused(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_export, "MAX_EVENTS", 29)

    answer = await explorer.visitor().post("/export", {"take-form": "csv", "type": "work"})

    assert answer.status_code == 400
    assert "telemetry export" in text_of(answer)


async def test_page_of_a_search_offers_what_it_found(explorer: Explorer) -> None:
    exporter, reader = explorer.visitor(), explorer.visitor("bob", right=Right.READ)

    pages = [await each.get("/search?user=user-2") for each in (exporter, reader)]

    assert ["Save as CSV" in text_of(page) for page in pages] == [True, False]
    assert all("Add all 6 to evidence" in text_of(page) for page in pages)
