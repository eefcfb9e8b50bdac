"""The evidence report: complete, self-contained, and safe from markup that an attacker wrote on the trail."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

from telemetry.reader.entry import Place, RawRecord
from telemetry.reader.verify.html_report import render_html
from telemetry.reader.verify.verdicts import Finding, ProducerReport, Verdict, VerificationReport
from tests.support.written_trail import Process, Signer, topic, verify


class Page(HTMLParser):
    """Collects what a browser would see of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [(name, text) for name, text in attrs if name in ("src", "href", "action", "style", "onload")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_page_names_scope_keys_and_findings() -> None:
    process = Process()
    records = topic(process.run(95))
    del records[45]
    page = Page(render_html(verify(records), scope={"Topic": "audit-events"}))
    words = " ".join(page.words)
    for expected in (
        "audit-events",
        process.producer,
        "/production/payments",
        str(Signer().public),
        "missing",
        "absent, although a checkpoint covers it",
        "2026-01-03 03:04:05 UTC",
        "RFC 6962",
    ):
        assert expected in words
    assert page.open == []


def test_page_loads_nothing_and_runs_nothing() -> None:
    text = render_html(verify(topic(Process().run(20))))
    page = Page(text)
    assert page.links == []
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(page.tags)
    assert "://" not in text
    policy = re.search(r"default-src 'none'; style-src 'sha256-([^']+)'", text)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert policy is not None
    assert style is not None
    assert policy[1] == base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()


def test_markup_from_the_topic_stays_text() -> None:
    evil = "<script>alert(1)</script>\u202e\x1b[31m\"'&"
    finding = Finding(Verdict.TAMPERED, evil, 1, 1, evil, evil)
    producer = ProducerReport(producer=evil, source=evil, keys=(evil,), signed_at=evil, size=1, findings=(finding,))
    report = VerificationReport(producers=(producer,), findings=(finding,), trusted_keys=(evil,), checked_at=evil)
    text = render_html(report, title=evil, scope={evil: evil})
    assert "<script" not in text
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert Page(text).open == []
    assert "script" not in Page(text).tags


def test_kafka_key_is_not_on_the_page() -> None:
    record = RawRecord(b"secret-user:payments", b"not a record", Place("audit-events", 0, 7))
    text = render_html(verify([record]))
    assert "secret-user" not in text
    assert "not a record" not in text
    assert "audit-events[0]@7" in text


def test_empty_and_huge_trails_are_rendered() -> None:
    assert "there is nothing to verify" in render_html(verify([]))
    producers = tuple(ProducerReport(producer=f"{number:036d}") for number in range(6_000))
    text = render_html(VerificationReport(producers=producers))
    assert "1,000 more producers are not listed" in text


def test_finding_is_drawn_where_it_is() -> None:
    process = Process()
    records = topic(process.run(95))
    del records[45]

    report = verify(records)
    text = render_html(report)

    assert "Where in their streams the findings are" in text
    assert 'class="band-warn"' in text
    assert f"<title>missing {report.producers[0].findings[0].range}</title>" in text


def test_complete_trail_needs_no_picture() -> None:
    assert "<svg" not in render_html(verify(topic(Process().run(20))))


def test_notes_and_acknowledged_findings_are_listed() -> None:
    known = Finding(Verdict.MISSING, "lost with a disk", 3, 5)
    producer = ProducerReport(producer="p", acknowledged=(known,), keys=("k",), believed=("role writer",))
    text = render_html(
        VerificationReport(producers=(producer,), notes=("the key of /a changed",), acknowledged=(known,))
    )

    for expected in ("the key of /a changed", "lost with a disk", "3-5", "No particular producer", "role writer"):
        assert expected in text


def test_flood_of_findings_is_bounded_and_counted() -> None:
    findings = tuple(Finding(Verdict.TAMPERED, "differs", number, number) for number in range(2_500))
    producers = tuple(ProducerReport(producer=f"{number:036d}", findings=findings[:2]) for number in range(700))
    report = VerificationReport(producers=producers, findings=findings)

    text = render_html(report)

    assert "500 more findings are not listed." in text
    assert "200 more producers with findings are not listed here." in text
    assert len(text) < 10_000_000
