"""An auditor does their work without a terminal: each task in at most five clicks, and without any script."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.auditor_story import DENIED_OF_BOB, OF_SUSPECT, REQUEST, SUSPECT_ADDRESS
from tests.support.explorer_site import Auditor, ExplorerSite
from tests.support.explorer_trail import ExplorerTrail
from tests.support.in_process import run

MOST_CLICKS = 5
SAMPLED = 25
"""What the form offers."""
_PATIENCE = 120_000.0


@pytest.fixture
def auditor(explorer: ExplorerSite, chromium: Browser) -> Iterator[Auditor]:
    context = explorer.visit(chromium, java_script_enabled=False)
    auditor = Auditor(context, explorer.origin)
    auditor.begin()
    yield auditor
    context.close()
    assert not auditor.watched.messages
    assert 0 < auditor.clicks <= MOST_CLICKS


def test_what_happened_to_order_77(auditor: Auditor) -> None:
    auditor.follow("Search")
    auditor.fill("Entity", "order/77")
    auditor.submit()
    rows = auditor.page.locator("table tbody a.row")
    expect(rows).to_have_count(6)
    rows.first.click()
    auditor.clicks += 1
    auditor.follow("History of order 77")

    expect(auditor.page.get_by_role("heading", level=1)).to_contain_text("77")
    for happened in ("order_created", "payment_authorized", "order_shipped", "order_deleted"):
        expect(auditor.page.locator("main")).to_contain_text(happened)


def test_denied_sign_ins_of_last_week(auditor: Auditor) -> None:
    auditor.follow("Search")
    auditor.fill("User", "bob")
    auditor.fill("Since", "7d")
    auditor.choose("Outcome", "denied")
    auditor.press("Search", within="main form")

    expect(auditor.page.get_by_role("heading", level=2).first).to_contain_text(f"{DENIED_OF_BOB} events")
    expect(auditor.page.locator("table tbody a.row")).to_have_count(DENIED_OF_BOB)


def test_who_changed_a_field_and_how(auditor: Auditor) -> None:
    auditor.follow("Search")
    auditor.open_part("More filters")
    auditor.fill("Value", "changes.credit_limit")
    auditor.submit()
    auditor.page.locator("table tbody a.row").first.click()
    auditor.clicks += 1

    expect(auditor.page.get_by_role("heading", level=1)).to_contain_text("eve")
    change = auditor.page.locator("tr", has_text="credit_limit")
    expect(change).to_contain_text("500")
    expect(change).to_contain_text("50000")


def test_what_came_from_an_address(auditor: Auditor) -> None:
    auditor.follow("Search")
    auditor.fill("Address", SUSPECT_ADDRESS)
    auditor.submit()

    expect(auditor.page.get_by_role("heading", level=2).first).to_contain_text(f"{OF_SUSPECT} events")


def test_request_is_followed_through_services(auditor: Auditor, trail: ExplorerTrail) -> None:
    auditor.begin(f"/events/{trail.ids['order_created 77 success']}")
    auditor.follow("All 4 of them")

    assert f"correlation={REQUEST}" in auditor.page.url
    found = auditor.page.locator("table.rows")
    for service in ("identity", "shop", "payments"):
        expect(found).to_contain_text(f"/production/{service}")


def test_gaps_and_outages_of_last_month(auditor: Auditor) -> None:
    auditor.page.locator("a[href='#gaps']").click()
    auditor.clicks += 1

    expect(auditor.page.locator("#gaps-table-caption")).to_be_visible()
    expect(auditor.page.locator("table", has=auditor.page.locator("#gaps-table-caption"))).to_contain_text(
        "/production/reports"
    )
    outages = auditor.page.locator("table", has=auditor.page.locator("#outages-table-caption"))
    expect(outages).to_contain_text("/production/shipping")
    expect(outages.locator("tbody tr")).to_have_count(2)


def test_who_has_read_the_trail(auditor: Auditor) -> None:
    auditor.follow("Access log")

    # Those who read the same trail meanwhile are on the first page.
    main = auditor.page.locator("main")
    for reader, reason in (("internal audit", "quarterly review"), ("carol", "ticket 4711")):
        auditor.fill("Person", reader)
        auditor.submit()
        expect(main).to_contain_text(reason)


def test_one_event_is_proven_and_its_proof_saved(auditor: Auditor, trail: ExplorerTrail, tmp_path: Path) -> None:
    auditor.follow("Search")
    auditor.fill("Entity", "order/77")
    auditor.submit()
    auditor.page.get_by_role("link", name="shipped order 77").click()
    auditor.clicks += 1
    auditor.press("Verify now")
    expect(auditor.page.locator("main")).to_contain_text("believed because", timeout=_PATIENCE)
    proof = _saved(auditor, "Save the proof file", tmp_path)

    assert proof.name == f"{trail.ids['order_shipped 77 success']}.proof.json"
    assert run("verify-proof", str(proof), "--trust", str(trail.trust)).code == 0


def test_trail_is_verified_and_the_gap_named(auditor: Auditor) -> None:
    auditor.follow("Verification")
    auditor.press("Verify the whole trail")
    expect(auditor.page.get_by_role("link", name="Save the report")).to_be_visible(timeout=_PATIENCE)

    main = auditor.page.locator("main")
    expect(main).to_contain_text("/production/reports")
    expect(main).to_contain_text("20")
    expect(main).to_contain_text("missing")


def test_random_sample_becomes_a_verified_pack(auditor: Auditor, trail: ExplorerTrail, tmp_path: Path) -> None:
    _empty_basket(auditor)
    auditor.follow("Search")
    auditor.fill("Type", "order_created")
    auditor.submit()
    auditor.press("Draw")
    auditor.press("Build the evidence pack")
    expect(auditor.page.locator("main")).to_contain_text("The pack is ready", timeout=_PATIENCE)
    pack = _saved(auditor, "Save ", tmp_path)

    checked = run("verify-evidence", str(pack), "--trust", str(trail.trust))
    assert checked.code == 0, (checked.out[-2_000:], checked.err)
    with zipfile.ZipFile(pack) as opened:
        assert len([name for name in opened.namelist() if name.endswith(".proof.json")]) == SAMPLED


def test_what_is_filtered_is_exported_as_csv(auditor: Auditor, tmp_path: Path) -> None:
    auditor.follow("Search")
    auditor.fill("Address", SUSPECT_ADDRESS)
    auditor.submit()
    with auditor.page.expect_download() as waiting:
        auditor.press("Save as CSV")
    text = waiting.value.path().read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))

    assert len(rows) == OF_SUSPECT
    assert {row["ip_address"] for row in rows} == {SUSPECT_ADDRESS}


def _empty_basket(auditor: Auditor) -> None:
    """Take out what another test has put in: the session is that of all tests."""
    auditor.begin("/basket")
    if auditor.page.get_by_role("button", name="Empty the basket").count():
        auditor.press("Empty the basket")
    auditor.begin()


def _saved(auditor: Auditor, name: str, folder: Path) -> Path:
    """Click a link that saves a file, and return the file under the name that it was offered with."""
    with auditor.page.expect_download() as waiting:
        auditor.follow(name, within="main")
    file = folder / waiting.value.suggested_filename
    waiting.value.save_as(file)
    return file
