"""Makes the pictures of the documentation, and checks that each screen has one; no pixel is compared.

``make screenshots`` writes them into ``docs/pictures/explorer``. What differs from run to run (the day, the name of the topic, the
user who made them) is replaced on the page before the picture is taken, so that pictures of one version are alike.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.explorer_screens import addresses
from tests.support.explorer_site import ExplorerSite
from tests.support.explorer_trail import ExplorerTrail

OF_JOBS = ("verification-report", "proof", "life-line", "pack")
"""What takes seconds: ``make screenshots`` alone makes these. That their pages work is tested with the tasks."""
PICTURED = ("overview", "search", "event", "history", "verification", "basket", "access-log", "reason", *OF_JOBS)
_DOCS = Path(__file__).parents[2] / "docs"
_PICTURES = _DOCS / "pictures" / "explorer"
_MOST_BYTES = 200 << 10
_WRITES = os.environ.get("SCREENSHOTS") == "1"
_PATIENCE = 120_000.0
_REPLACE = """
({topic, user, today}) => {
  const shift = Date.UTC(2026, 2, 31) - Date.parse(today);
  const shifted = day => Number.isNaN(Date.parse(day)) ? day : new Date(Date.parse(day) + shift).toISOString().slice(0, 10);
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode;
    node.data = node.data.replaceAll(topic, "audit-events").replace(/\\b20\\d\\d-\\d\\d-\\d\\d(?!\\d)/g, shifted);
    node.data = node.data.replace(/\\b(20\\d\\d)(\\d\\d)(\\d\\d)(?=T\\d{6}Z)/g, (_, ...day) => shifted(day.slice(0, 3).join("-")).replaceAll("-", ""));
    if (node.parentElement.closest(".who, .value, td")) node.data = node.data.replace(new RegExp("^" + user + "\\\\b"), "auditor");
  }
}
"""
"""Shifts every day on the page, so that the present one is the last of a March, and gives topic and user other names."""


@pytest.fixture(scope="module")
def places(explorer: ExplorerSite, chromium: Browser, trail: ExplorerTrail) -> Mapping[str, str]:
    """Work for a while, so that every screen has something to show; return the address of each."""
    known = addresses(trail.ids)
    context = explorer.visit(chromium)
    page = context.new_page()
    page.goto("/search?entity=order/77")
    page.get_by_role("button", name="to evidence").click()
    jobs = _run_jobs(page, known) if _WRITES else {}
    context.close()
    shown = {name: known[name] for name in ("overview", "search", "event", "verification", "basket", "reason")}
    return {**shown, **jobs, "history": known["history-entity"], "access-log": known["access"]}


def _run_jobs(page: Page, known: Mapping[str, str]) -> Mapping[str, str]:
    jobs = {}
    for name, address, begin, end in (
        ("verification-report", known["verification"], "Verify the whole trail", "Save the report"),
        ("proof", known["event"], "Verify now", "Save the proof file"),
        ("life-line", known["event"], "Life line", "Back to the event"),
        ("pack", known["basket"], "Build the evidence pack", "Save evidence"),
    ):
        page.goto(address)
        jobs[name] = _done(page, begin, end)
    return jobs


def _done(page: Page, begin: str, end: str) -> str:
    """Start a job, wait until its page offers a link, and return its address."""
    page.get_by_role("button", name=begin).click()
    expect(page.get_by_role("link", name=end)).to_be_visible(timeout=_PATIENCE)
    return page.url


@pytest.mark.parametrize("screen", PICTURED)
def test_screen_has_a_picture(screen: str) -> None:
    file = _PICTURES / f"{screen}.png"

    assert file.is_file() or _WRITES, "run make screenshots"
    assert f"](pictures/explorer/{file.name})" in (_DOCS / "explorer.md").read_text("utf-8")


@pytest.mark.parametrize("screen", PICTURED if _WRITES else PICTURED[: -len(OF_JOBS)])
def test_picture_can_be_made(
    explorer: ExplorerSite,
    trail: ExplorerTrail,
    chromium: Browser,
    places: Mapping[str, str],
    screen: str,
    tmp_path: Path,
) -> None:
    file = (_PICTURES if _WRITES else tmp_path) / f"{screen}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    context = explorer.visit(chromium)
    page = context.new_page()
    page.goto(places[screen])
    page.evaluate(_REPLACE, {"topic": trail.topic, "user": getpass.getuser(), "today": f"{datetime.now(UTC):%Y-%m-%d}"})
    assert trail.topic not in page.inner_text("body")
    page.screenshot(path=file, animations="disabled")
    context.close()

    assert 0 < file.stat().st_size < _MOST_BYTES


def test_every_picture_is_of_a_screen() -> None:
    assert _WRITES or {file.stem for file in _PICTURES.glob("*")} == set(PICTURED)
    assert all(file.stat().st_size < _MOST_BYTES for file in _PICTURES.glob("*"))
