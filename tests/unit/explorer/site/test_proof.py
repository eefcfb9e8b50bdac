from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from telemetry.explorer.access.right import Right
from telemetry.format.proof.inclusion import verify_proof
from telemetry.format.proof.signed_note import PublicKey
from tests.unit.explorer.jobs.conftest import SignedTrail
from tests.unit.explorer.jobs.conftest import trail as trail  # noqa: PLC0414 - a fixture of these tests too
from tests.unit.explorer.site.visiting import Explorer, explorer_of, tags_of, text_of


@pytest.fixture
async def explorer(trail: SignedTrail) -> AsyncIterator[Explorer]:
    async with explorer_of(trail, policy=trail.policy) as explorer:
        yield explorer


async def test_each_step_of_a_proof_is_shown(trail: SignedTrail, explorer: Explorer) -> None:
    visitor, event_id = explorer.visitor(right=Right.SEALED), trail.ids[2]

    started = await visitor.post(f"/events/{event_id}/verify")
    page = await visitor.finished(started.headers["location"])
    file = await visitor.get(f"{started.headers['location']}/proof")

    text = text_of(page)
    for step in (
        "Proven",
        "Its leaf hash",
        "The path to the root",
        "The checkpoint",
        "The signature",
        "believed because",
    ):
        assert step in text
    assert file.headers["content-disposition"] == f'attachment; filename="{event_id}.proof.json"'
    proven = verify_proof(file.content, [PublicKey.parse(trail.public_key)])
    assert proven.message.attributes["id"] == event_id
    assert event_id not in str(page.url)


async def test_life_line_is_shown_without_content(trail: SignedTrail, explorer: Explorer) -> None:
    visitor = explorer.visitor(right=Right.SEALED)

    started = await visitor.post(f"/events/{trail.ids[2]}/trace")
    page = await visitor.finished(started.headers["location"])

    text = text_of(page)
    for step in ("called", "sealed", "delivered to Kafka", "signed: part of a checkpoint"):
        assert step in text
    assert "user-2" not in page.text
    assert "number" not in text.split("From the call")[1].split("records read")[0]


async def test_job_of_another_person_is_hidden(trail: SignedTrail, explorer: Explorer) -> None:
    visitor, other = explorer.visitor("ada"), explorer.visitor("bob")
    path = (await visitor.post(f"/events/{trail.ids[0]}/verify")).headers["location"]
    await visitor.finished(path)

    for hidden in (await other.get(path), await other.get(f"{path}/proof"), await other.post(f"{path}/stop")):
        assert hidden.status_code == 404


@pytest.mark.parametrize(
    "odd",
    ["x", "0198c0de-0000-7000-8000-00000000000g", "%3Cscript%3E", "%E2%80%AE", "a" * 3_000],
    ids=["word", "no digit", "markup", "bidi", "long"],
)
async def test_odd_id_is_refused_without_echo(explorer: Explorer, odd: str) -> None:
    visitor = explorer.visitor()

    for action in ("verify", "trace"):
        answer = await visitor.post(f"/events/{odd}/{action}")
        assert answer.status_code in (400, 404, 414, 431)
        assert "<script>" not in answer.text


async def test_hundred_proofs_at_once_are_bounded(trail: SignedTrail, explorer: Explorer) -> None:
    visitor = explorer.visitor()

    answers = [await visitor.post(f"/events/{event_id}/verify") for event_id in trail.ids * 4]

    assert {answer.status_code for answer in answers} <= {303, 429}
    assert len(explorer.site.desk.book.shown_to(visitor.session)) <= 50


async def test_job_is_stopped_by_who_started_it(trail: SignedTrail, explorer: Explorer) -> None:
    visitor = explorer.visitor()
    path = (await visitor.post(f"/events/{trail.ids[1]}/verify")).headers["location"]

    assert (await visitor.post(f"{path}/stop")).headers["location"] == path
    text = text_of(await visitor.finished(path))

    assert "It was stopped" in text or "Proven" in text


async def test_running_job_loads_itself_again(trail: SignedTrail, explorer: Explorer) -> None:
    visitor = explorer.visitor()
    path = (await visitor.post(f"/events/{trail.ids[3]}/verify")).headers["location"]

    page = await visitor.get(path)

    assert page.headers.get("refresh", "2") == "2"
    assert not [meta for meta in tags_of(page, "meta") if (meta.get("http-equiv") or "").lower() == "refresh"]
    await visitor.finished(path)
