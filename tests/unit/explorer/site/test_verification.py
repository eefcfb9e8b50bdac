from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import pytest

from telemetry.explorer.access.right import Right
from tests.unit.explorer.jobs.conftest import SignedTrail
from tests.unit.explorer.jobs.conftest import trail as trail  # noqa: PLC0414 - a fixture of these tests too
from tests.unit.explorer.site.visiting import Explorer, explorer_of, tags_of, text_of


@pytest.fixture
async def explorer(trail: SignedTrail) -> AsyncIterator[Explorer]:
    async with explorer_of(trail, policy=trail.policy) as explorer:
        yield explorer


async def test_sealed_viewer_verifies_the_whole_trail(explorer: Explorer) -> None:
    visitor = explorer.visitor(right=Right.SEALED)
    assert "no run since" in text_of(await visitor.get("/verification"))

    started = await visitor.post("/verification", {"take-part": "whole"})
    assert started.status_code == 303
    ended = await visitor.finished(started.headers["location"])

    assert "complete" in text_of(ended)
    assert "How it was checked" in text_of(ended)
    listed = text_of(await visitor.get("/verification"))
    # What other tests were refused is recorded on the same trail.
    assert re.search(r"complete , (\d+) of \1 events proven", listed), listed
    assert "Verify what is new since the last run" in listed


async def test_report_is_saved_as_page_and_values(explorer: Explorer) -> None:
    visitor = explorer.visitor(right=Right.SEALED)
    path = (await visitor.post("/verification", {"take-part": "whole"})).headers["location"]
    await visitor.finished(path)

    page, values = await visitor.get(f"{path}/report.html"), await visitor.get(f"{path}/report.json")

    assert page.headers["content-disposition"] == 'attachment; filename="verification-1.html"'
    assert "<script" not in page.text
    assert "Content-Security-Policy" in page.text
    assert json.loads(values.text)["verdict"] == "complete"
    assert values.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "seconds", ["-1", "nan", "x" * 10_000, "٣", "<b>"], ids=["negative", "nan", "long", "arabic", "markup"]
)
async def test_odd_seconds_start_nothing(explorer: Explorer, seconds: str) -> None:
    visitor = explorer.visitor()

    answer = await visitor.post("/verification", {"take-part": "whole", "take-running": seconds})

    assert answer.status_code == 400 or seconds == "٣"
    assert "<b>" not in answer.text
    assert len(answer.text) < 50_000


async def test_without_trust_the_page_says_what_to_give(trail: SignedTrail) -> None:
    async with explorer_of(trail) as explorer:
        visitor = explorer.visitor()

        page = await visitor.get("/verification")
        answer = await visitor.post("/verification")

    assert "nobody is trusted" in text_of(page)
    assert "--trust" in text_of(page)
    assert not [form for form in tags_of(page, "form") if form.get("action") == "/verification"]
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "number",
    ["0", "2", "-1", "1e1", "999999999999", "9" * 5_000, "٣", "x", "%00", "1%2F..%2F.."],
    ids=["zero", "next", "negative", "exponent", "large", "endless", "arabic", "word", "nul", "path"],
)
async def test_forged_number_finds_no_run(explorer: Explorer, number: str) -> None:
    visitor = explorer.visitor()
    await visitor.finished((await visitor.post("/verification")).headers["location"])

    for path in (f"/verification/{number}", f"/verification/{number}/report.html", f"/jobs/{number}"):
        assert (await visitor.get(path)).status_code in (400, 404)


async def test_form_of_another_session_starts_nothing(explorer: Explorer) -> None:
    visitor, other = explorer.visitor(), explorer.visitor("bob")

    answer = await visitor.post("/verification", {"csrf": other.session.csrf})

    assert answer.status_code == 403
    assert explorer.site.desk.book.shown_to(visitor.session) == []
