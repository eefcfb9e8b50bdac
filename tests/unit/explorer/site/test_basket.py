from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import pytest

from telemetry.config import SigningConfig
from telemetry.evidence import verify_pack
from telemetry.explorer.access.right import Right
from telemetry.reader import EventFilter
from telemetry.reader.trust import TrustPolicy
from tests.unit.explorer.jobs.conftest import SignedTrail
from tests.unit.explorer.jobs.conftest import policy as policy  # noqa: PLC0414 - a fixture of these tests too
from tests.unit.explorer.jobs.conftest import signing as signing  # noqa: PLC0414
from tests.unit.explorer.jobs.conftest import trail as trail  # noqa: PLC0414
from tests.unit.explorer.site.visiting import Explorer, Visitor, explorer_of, tags_of, text_of


@pytest.fixture
async def explorer(trail: SignedTrail, policy: TrustPolicy, signing: SigningConfig) -> AsyncIterator[Explorer]:
    async with explorer_of(trail, policy=policy, signing=signing) as explorer:
        yield explorer


def basket_of(explorer: Explorer, visitor: Visitor) -> tuple[str, ...]:
    return explorer.site.desk.baskets.of(visitor.session).ids


async def test_pack_of_one_event_is_taken_and_verifies(
    trail: SignedTrail, explorer: Explorer, policy: TrustPolicy
) -> None:
    visitor = explorer.visitor()

    added = await visitor.post("/basket/add", {"event": trail.ids[5]})
    assert added.headers["location"] == "/basket?added=1"
    page = text_of(await visitor.get("/basket?added=1"))
    assert "1 event added" in page
    assert "user-0" in page
    started = await visitor.post("/basket/pack", {"take-content": "open"})
    ready = await visitor.finished(started.headers["location"])
    pack = await visitor.get(f"{started.headers['location']}/pack")

    assert "The pack is ready" in text_of(ready), text_of(ready)
    assert pack.headers["content-type"] == "application/zip"
    assert pack.headers["content-disposition"].startswith('attachment; filename="evidence-2')
    assert verify_pack(BytesIO(pack.content), policy=policy).exit_code == 0
    await visitor.post("/basket/remove", {"take-all": "1"})
    assert "Your packs Pack asked for" in text_of(await visitor.get("/basket"))


async def test_all_of_a_search_is_added(trail: SignedTrail, explorer: Explorer) -> None:
    visitor = explorer.visitor()

    answer = await visitor.post("/basket/add", {"take-all": "1", "user": "user-3", "type": "work"})

    assert answer.headers["location"] == "/basket?added=6"
    assert set(basket_of(explorer, visitor)) == {trail.ids[number] for number in range(3, 30, 5)}
    page = text_of(await visitor.get("/basket"))
    assert "All of a search: 6 events" in page


async def test_sample_is_drawn_and_packed_again(trail: SignedTrail, explorer: Explorer, policy: TrustPolicy) -> None:
    visitor = explorer.visitor()

    drawn = await visitor.post("/basket/sample", {"take-size": "4", "type": "work"})
    assert drawn.headers["location"] == "/basket?drawn=4"
    assert "A random sample of 4 out of 30 events" in text_of(await visitor.get("/basket"))
    started = await visitor.post("/basket/pack", {"take-content": "sealed"})
    ready = await visitor.finished(started.headers["location"])

    assert "The pack is ready" in text_of(ready), text_of(ready)
    opened = await visitor.post("/basket/pack", {"take-content": "open"})
    ready = await visitor.finished(opened.headers["location"])
    text = text_of(ready)
    assert "The pack is ready" in text, text
    assert "drawn again, from other events" not in text
    pack = await visitor.get(f"{opened.headers['location']}/pack")
    report = verify_pack(BytesIO(pack.content), policy=policy)
    assert report.exit_code == 0
    assert report.manifest is not None
    assert report.manifest.request.sample is not None


async def test_endless_search_is_remembered_in_part(trail: SignedTrail, explorer: Explorer) -> None:
    visitor = explorer.visitor()

    await visitor.post("/basket/add", {"take-all": "1", "user": ["user-1", *(f"{n}{'x' * 900}" for n in range(90))]})

    (choice,) = explorer.site.desk.baskets.of(visitor.session).choices
    assert choice.events == 6
    assert len(str(choice.conditions)) < 2_100
    assert (await visitor.get("/basket")).status_code == 200


@pytest.mark.parametrize(
    "size",
    ["0", "-1", "1001", "x", "", "9" * 5_000, "٣", "1e2"],
    ids=["zero", "negative", "large", "word", "empty", "endless", "arabic", "exponent"],
)
async def test_odd_size_of_a_sample_draws_nothing(explorer: Explorer, size: str) -> None:
    visitor = explorer.visitor()

    answer = await visitor.post("/basket/sample", {"take-size": size, "type": "work"})

    assert answer.status_code == 400
    assert "Nothing was changed" in text_of(answer)
    assert not basket_of(explorer, visitor)


@pytest.mark.parametrize(
    "event",
    ["x", "../../etc/passwd", "<script>alert(1)</script>", "a" * 100_000],
    ids=["word", "path", "markup", "long"],
)
async def test_odd_event_is_not_added(explorer: Explorer, event: str) -> None:
    visitor = explorer.visitor()

    answer = await visitor.post("/basket/add", {"event": event})

    assert answer.status_code == 400
    assert "<script>alert" not in answer.text
    assert not basket_of(explorer, visitor)


async def test_unknown_event_is_kept_and_named(explorer: Explorer) -> None:
    visitor = explorer.visitor()

    await visitor.post("/basket/add", {"event": "0198c0de-0000-7000-8000-000000000000"})

    assert "no longer in memory" in text_of(await visitor.get("/basket"))


async def test_basket_of_another_session_is_out_of_reach(trail: SignedTrail, explorer: Explorer) -> None:
    visitor, other = explorer.visitor("ada"), explorer.visitor("ada")
    await visitor.post("/basket/add", {"event": trail.ids[0]})

    assert (await other.post("/basket/remove", {"take-all": "1"})).headers["location"] == "/basket?removed=0"
    assert "The basket is empty" in text_of(await other.get("/basket"))
    assert basket_of(explorer, visitor) == trail.ids[:1]


async def test_events_are_removed_again(trail: SignedTrail, explorer: Explorer) -> None:
    visitor = explorer.visitor()
    await visitor.post("/basket/add", {"event": list(trail.ids[:3])})

    await visitor.post("/basket/remove", {"event": list(trail.ids[:2])})
    listed = await visitor.get("/basket/ids.txt")

    assert listed.text == f"{trail.ids[2]}\n"
    assert listed.headers["content-disposition"] == 'attachment; filename="event-ids.txt"'


async def test_reader_collects_and_builds_no_pack(trail: SignedTrail, explorer: Explorer) -> None:
    visitor = explorer.visitor(right=Right.READ)
    await visitor.post("/basket/add", {"event": trail.ids[0]})

    page = await visitor.get("/basket")
    refused = await visitor.post("/basket/pack")

    assert "Only an exporter builds packs" in text_of(page)
    assert "/basket/pack" not in [form.get("action") for form in tags_of(page, "form")]
    assert refused.status_code == 403
    assert not explorer.site.desk.book.shown_to(visitor.session)


async def test_pack_of_an_exporter_is_closed_to_a_reader(trail: SignedTrail, explorer: Explorer) -> None:
    exporter, reader = explorer.visitor("ada"), explorer.visitor("ada", right=Right.READ)
    await exporter.post("/basket/add", {"event": trail.ids[0]})
    path = (await exporter.post("/basket/pack")).headers["location"]
    await exporter.finished(path)

    assert (await reader.get(path)).status_code == 404
    assert (await reader.get(f"{path}/pack")).status_code == 403


@pytest.mark.parametrize("path", ["/basket/pack", "/basket/add", "/basket/sample"])
async def test_closed_session_takes_nothing_by_content(explorer: Explorer, path: str) -> None:
    visitor = explorer.visitor(reason=None)

    answer = await visitor.post(path, {"take-all": "1", "take-size": "1", "user": "user-1"})

    assert answer.status_code == 403
    assert not basket_of(explorer, visitor)


async def test_sealed_viewer_has_no_basket(explorer: Explorer, trail: SignedTrail) -> None:
    visitor = explorer.visitor(right=Right.SEALED)

    assert (await visitor.get("/basket")).status_code == 403
    assert (await visitor.post("/basket/add", {"event": trail.ids[0]})).status_code == 403


async def test_empty_basket_builds_nothing(explorer: Explorer) -> None:
    answer = await explorer.visitor().post("/basket/pack")

    assert answer.status_code == 400
    assert "is empty" in text_of(answer)


async def test_without_a_key_the_page_says_how_to_create_one(trail: SignedTrail, policy: TrustPolicy) -> None:
    async with explorer_of(trail, policy=policy) as explorer:
        visitor = explorer.visitor()
        await visitor.post("/basket/add", {"event": trail.ids[0]})

        page = text_of(await visitor.get("/basket"))
        refused = await visitor.post("/basket/pack")

    assert "telemetry keys init-signing" in page
    assert refused.status_code == 400


async def test_export_of_the_pack_is_recorded_first(trail: SignedTrail, explorer: Explorer) -> None:
    visitor = explorer.visitor("carol")
    await visitor.post("/basket/add", {"event": trail.ids[0]})
    await visitor.finished((await visitor.post("/basket/pack")).headers["location"])

    recorded = trail.opened(EventFilter(types=("telemetry.exported",), users=frozenset({"carol"})))

    (event,) = recorded
    assert event.payload["events"] == 1
    assert event.payload["description"]["ids"] == [trail.ids[0]]
    assert event.reason == "INC-77"


async def test_search_that_fills_the_basket_is_recorded(
    trail: SignedTrail, explorer: Explorer, policy: TrustPolicy
) -> None:
    visitor = explorer.visitor("sampler")

    await visitor.post("/basket/add", {"take-all": "1", "user": "user-3", "type": "work"})
    await visitor.post("/basket/sample", {"take-size": "2", "user": "user-2", "type": "work"})
    await visitor.post("/export", {"take-form": "csv", "user": "user-9", "type": "work"})

    wanted = EventFilter(users=frozenset(("sampler",)), types=("telemetry.searched",))
    looks = [event.payload for event in trail.opened(wanted)]
    assert [(look["filters"]["users"], look["found"]) for look in looks] == [
        (["user-3"], 6),
        (["user-2"], 6),
        (["user-9"], 0),
    ]


async def test_basket_is_closed_until_the_look_is_recorded(trail: SignedTrail, explorer: Explorer) -> None:
    visitor = explorer.visitor(reason=None)
    await visitor.post("/basket/add", {"event": trail.ids[0]})
    run = explorer.site.turns.run

    async def opened_meanwhile(*args: Any, **kwargs: Any) -> Any:
        visitor.session.open_content("given in another tab")
        return await run(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explorer.site.turns, "run", opened_meanwhile)
        page = text_of(await visitor.get("/basket"))

    assert "user-0" not in page
