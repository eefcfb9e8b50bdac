"""The readable page of an evidence pack: everybody can use it, and nothing that an event says acts on it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser

from telemetry.evidence import EvidenceRequest
from telemetry.reader import EventFilter
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.support.browser_pages import WatchedPage, require_accessible, width_beyond
from tests.support.evidence_site import EvidenceSite, unpacked
from tests.support.hostile_events import hostile_events


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the page of a pack of hostile events, and the report beside it."""
    folder = tmp_path_factory.mktemp("pages")
    with EmbeddedKafka() as kafka:
        site = EvidenceSite(kafka.bootstrap_servers, folder, events=8)
        with Telemetry(site.audit_config(max_event_bytes=1 << 20)) as telemetry:
            for event in hostile_events():
                telemetry.audit.log(event.event_type, event.payload, event.user_id, **event.fields)
        request = EvidenceRequest(wanted=EventFilter(), reader="<b>eve</b>\u202e", reason="<script>alert(1)</script>")
        pack, summary = site.build(request)
        assert (summary.events, summary.exit_code) == (8 + len(hostile_events()), 0)
        assert site.verify(pack).exit_code == 0
    files = unpacked(pack)
    for name in ("index.html", "verification.html"):
        (folder / name).write_bytes(files[name])
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index.html", "verification.html"])
def test_page_is_accessible_and_inert(
    chromium: Browser, pages: Path, name: str, scheme: Literal["light", "dark"]
) -> None:
    with chromium.new_context(color_scheme=scheme) as context:
        page = context.new_page()
        watched = WatchedPage(page)
        page.goto((pages / name).as_uri())
        require_accessible(page)
        page.set_viewport_size({"width": 320, "height": 800})

        assert width_beyond(page) == 0
        assert (watched.messages, watched.dialogs) == ([], [])
        assert watched.requests == [(pages / name).as_uri()]
        assert page.evaluate("window.hostile") is None
        assert page.locator("script, img, iframe, link, object, [onload], [onerror], [style]").count() == 0


def test_event_is_found_from_the_list(chromium: Browser, pages: Path) -> None:
    page = chromium.new_page()
    page.goto((pages / "index.html").as_uri())
    row = page.locator("#events-caption").locator("xpath=..").locator("tbody tr").first
    row.get_by_role("link").click()
    section = page.locator("section:target")
    assert section.get_by_text("Outside the seal, proven").is_visible()
    assert section.get_by_text("content attested by").first.is_visible()
    section.get_by_text("Payload").first.click()
    assert section.locator("ul.tree").first.is_visible()
    page.close()
