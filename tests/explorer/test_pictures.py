"""Makes the pictures of the documentation, and checks that each screen has one; no pixel is compared.

``make screenshots`` writes them into ``docs/pictures/explorer``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.explorer_screens import addresses
from tests.support.explorer_site import ExplorerSite
from tests.support.explorer_trail import ExplorerTrail

PICTURED = (
    *("overview", "search", "event", "history", "verification", "verification-report"),
    *("proof", "life-line", "basket", "pack", "access-log", "reason"),
)
_DOCS = Path(__file__).parents[2] / "docs"
_PICTURES = _DOCS / "pictures" / "explorer"
_MOST_BYTES = 200 << 10
_WRITES = os.environ.get("SCREENSHOTS") == "1"
_PATIENCE = 120_000.0


@pytest.fixture(scope="module")
def places(explorer: ExplorerSite, chromium: Browser, trail: ExplorerTrail) -> Mapping[str, str]:
    """Work for a while, so that every screen has something to show; return the address of each."""
    known = addresses(trail.ids)
    context = explorer.visit(chromium)
    page = context.new_page()
    page.goto("/search?entity=order/77")
    page.get_by_role("button", name="Add all 6 to evidence").click()
    page.goto(known["verification"])
    report = _done(page, "Verify the whole trail", "Save the report")
    page.goto(known["event"])
    proof = _done(page, "Verify now", "Save the proof file")
    page.goto(known["event"])
    life = _done(page, "Life line", "Back to the event")
    page.goto("/basket")
    pack = _done(page, "Build the evidence pack", "Save evidence")
    context.close()
    return {
        **{name: known[name] for name in ("overview", "search", "event", "verification", "basket", "reason")},
        "history": known["history-entity"],
        "access-log": known["access"],
        "verification-report": report,
        "proof": proof,
        "life-line": life,
        "pack": pack,
    }


def _done(page: Page, begin: str, end: str) -> str:
    """Start a job, wait until its page offers a link, and return its address."""
    page.get_by_role("button", name=begin).click()
    expect(page.get_by_role("link", name=end)).to_be_visible(timeout=_PATIENCE)
    return page.url


@pytest.mark.parametrize("screen", PICTURED)
def test_screen_has_a_picture(
    explorer: ExplorerSite, chromium: Browser, places: Mapping[str, str], screen: str, tmp_path: Path
) -> None:
    file = (_PICTURES if _WRITES else tmp_path) / f"{screen}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    context = explorer.visit(chromium)
    page = context.new_page()
    page.goto(places[screen])
    page.screenshot(path=file, animations="disabled")
    context.close()
    committed = _PICTURES / file.name

    assert 0 < file.stat().st_size < _MOST_BYTES
    assert committed.is_file(), "run make screenshots"
    assert committed.stat().st_size < _MOST_BYTES
    assert f"](pictures/explorer/{file.name})" in (_DOCS / "explorer.md").read_text("utf-8")


def test_every_picture_is_of_a_screen() -> None:
    assert {file.stem for file in _PICTURES.glob("*")} == set(PICTURED)
