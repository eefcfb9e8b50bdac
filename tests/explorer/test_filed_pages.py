"""Pages that stand alone in a file: everybody can use them, in both schemes, and nothing on them acts."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser

from telemetry.reader.verify.html_report import render_html
from telemetry.reader.verify.verdicts import Finding, ProducerReport, Verdict, VerificationReport
from tests.support.browser_pages import WatchedPage, require_accessible, width_beyond
from tests.support.hostile_events import SCRIPT, HostileEvent, hostile_events
from tests.support.sample_page import audit_event, sample_page
from tests.support.written_trail import Process, topic, verify

ORDINARY = (
    HostileEvent(
        "refund",
        "order.refunded",
        {"amount": 12.5, "lines": [{"sku": "a", "count": 2}], "note": None},
        "ada",
        {
            "entity": "order",
            "entity_id": "77",
            "outcome": "success",
            "reason": "asked twice",
            "changes": {"state": {"old": "paid", "new": "refunded"}},
        },
    ),
    HostileEvent("login", "user_login", user_id="bob", fields={"outcome": "failure", "ip_address": "10.0.0.7"}),
)


def _damaged_trail() -> VerificationReport:
    records = topic(Process().run(95))
    del records[45]
    return verify(records)


def _hostile_report() -> VerificationReport:
    finding = Finding(Verdict.TAMPERED, SCRIPT, 1, 1, SCRIPT, SCRIPT)
    producers = [
        ProducerReport(
            producer=SCRIPT * number, source=SCRIPT, keys=(SCRIPT,), signed_at=SCRIPT, size=3, findings=(finding,)
        )
        for number in range(1, 4)
    ]
    return VerificationReport(producers=tuple(producers), findings=(finding,), notes=(SCRIPT,), checked_at=SCRIPT)


def _pages() -> dict[str, str]:
    return {
        "sample": sample_page("Activity", [audit_event(event, number=n) for n, event in enumerate(ORDINARY)]),
        "hostile sample": sample_page(
            SCRIPT, [audit_event(event, number=n) for n, event in enumerate(hostile_events())]
        ),
        "report": render_html(_damaged_trail(), scope={"Topic": "audit-events"}),
        "hostile report": render_html(_hostile_report(), title=SCRIPT, scope={SCRIPT: SCRIPT}),
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["sample", "hostile sample", "report", "hostile report"])
def test_page_is_accessible_and_inert(
    chromium: Browser, tmp_path: Path, name: str, scheme: Literal["light", "dark"]
) -> None:
    file = tmp_path / "page.html"
    file.write_text(_pages()[name], "utf-8")
    with chromium.new_context(color_scheme=scheme) as context:
        page = context.new_page()
        watched = WatchedPage(page)
        page.goto(file.as_uri())
        # The rules run in the page, which allows no script: they come through the debugger.
        require_accessible(page)
        page.set_viewport_size({"width": 320, "height": 800})

        assert width_beyond(page) == 0
        assert watched.messages == []
        assert watched.dialogs == []
        assert watched.requests == [file.as_uri()]
        assert page.evaluate("window.hostile") is None
        assert page.locator("script, img, iframe, link, object, [onload], [style]").count() == 0


def test_report_prints_with_its_tables_open(chromium: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(render_html(_damaged_trail()), "utf-8")
    page = chromium.new_page(viewport={"width": 688, "height": 1000})  # A4 without its margins
    page.goto(file.as_uri())
    cell = page.locator("figure details td").first

    on_screen = cell.is_visible()
    page.emulate_media(media="print", color_scheme="dark")

    assert not on_screen
    assert cell.is_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert width_beyond(page) == 0
    page.close()
