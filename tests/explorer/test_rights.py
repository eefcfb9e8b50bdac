"""What a person may not see or do is refused in the browser and beside it: stolen addresses, other sites, other hosts."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.support.explorer_site import ExplorerSite
from tests.support.explorer_trail import ExplorerTrail

_OF_CONTENT = ("User", "Entity", "Outcome", "Address", "Text", "Session", "Actor")


@pytest.fixture
def sealed(sealed_explorer: ExplorerSite, chromium: Browser) -> Iterator[BrowserContext]:
    context = sealed_explorer.visit(chromium)
    yield context
    context.close()


@pytest.fixture
def exporting(explorer: ExplorerSite, chromium: Browser) -> Iterator[BrowserContext]:
    context = explorer.visit(chromium)
    yield context
    context.close()


@pytest.fixture
def stranger(explorer: ExplorerSite, chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(base_url=explorer.origin)
    yield context
    context.close()


def test_sealed_viewer_sees_no_content(sealed: BrowserContext, trail: ExplorerTrail) -> None:
    page = sealed.new_page()
    page.goto(f"/events/{trail.ids['order_changed 77 success']}")
    shown = page.content()
    page.goto("/search?type=order_*&since=7d")
    shown += page.content()
    fields = [label for label in _OF_CONTENT if page.get_by_label(label, exact=True).count()]

    assert fields == []
    assert "order_changed" in shown
    for secret in ("eve", "ada", "Mill Lane", "203.0.113"):
        assert f"{secret}<" not in shown
        assert f"{secret} " not in shown


def test_sealed_viewer_learns_nothing_by_asking(sealed: BrowserContext) -> None:
    page = sealed.new_page()
    for query in ("user=bob", "user=nobody", "entity=order/77", "text=Mill", "ip=10.0.0.7", "outcome=denied"):
        page.goto(f"/search?{query}")
        expect(page.locator("main")).to_contain_text("Nothing was searched")
        assert page.locator("a.row").count() == 0


def test_sealed_viewer_exports_nothing(sealed: BrowserContext, sealed_explorer: ExplorerSite) -> None:
    page = sealed.new_page()
    page.goto("/")
    token = page.locator("input[name=csrf]").first.get_attribute("value") or ""
    for path in ("/export", "/basket/pack"):
        headers = {"origin": sealed_explorer.origin}
        answer = sealed.request.post(path, form={"csrf": token, "format": "csv"}, headers=headers, max_redirects=0)
        assert answer.status == 403, (path, answer.status)


def test_address_is_worth_nothing_without_session(stranger: BrowserContext, trail: ExplorerTrail) -> None:
    for path in (f"/events/{trail.ids['order_changed 77 success']}", "/search?user=bob", "/access", "/verification"):
        answer = stranger.request.get(path)
        assert "Mill Lane" not in answer.text()
        assert "bob<" not in answer.text()
        assert answer.status in {401, 403} or urlsplit(answer.url).path == "/sign-in", path


def test_stranger_learns_nothing_of_the_trail(stranger: BrowserContext, trail: ExplorerTrail) -> None:
    for path in ("/", "/sign-in", "/enter/x", "/nothing", "/healthz"):
        shown = stranger.request.get(path).text()
        assert trail.topic not in shown, path
        assert "in memory" not in shown, path


def test_used_link_opens_nothing(stranger: BrowserContext, explorer: ExplorerSite) -> None:
    page = stranger.new_page()
    answer = page.goto(explorer.link)
    if answer is not None and answer.ok and page.get_by_role("button").count():
        page.get_by_role("button").first.click()
    page.goto("/search")

    assert page.locator("a.row").count() == 0


def test_form_of_another_site_is_refused(exporting: BrowserContext) -> None:
    page = exporting.new_page()
    page.goto("/")
    token = page.locator("input[name=csrf]").first.get_attribute("value") or ""
    request = exporting.request
    other = {"origin": "http://evil.invalid"}

    assert request.post("/basket/add", form={"event": "x"}, max_redirects=0).status == 403
    assert request.post("/basket/add", form={"csrf": "x" * 43, "event": "x"}, max_redirects=0).status == 403
    assert request.post("/basket/add", form={"csrf": token, "event": "x"}, headers=other, max_redirects=0).status == 403
    assert request.post("/sign-out", form={}, max_redirects=0).status == 403
    page.goto("/search")
    expect(page.get_by_role("heading", level=1)).to_have_text("Search")


def test_page_of_another_origin_cannot_post(exporting: BrowserContext, explorer: ExplorerSite) -> None:
    page = exporting.new_page()
    page.set_content(f"<form action='{explorer.origin}/sign-out' method=post><button>go</button></form>")
    page.get_by_role("button").click()
    page.wait_for_url(f"{explorer.origin}/**")
    page.goto("/search")

    expect(page.get_by_role("heading", level=1)).to_have_text("Search")


def test_other_host_is_refused(explorer: ExplorerSite, exporting: BrowserContext) -> None:
    cookie = "; ".join(f"{each['name']}={each['value']}" for each in exporting.cookies())
    address = urlsplit(explorer.origin)
    for host in ("evil.invalid", f"evil.invalid:{address.port}", f"127.0.0.1.evil.invalid:{address.port}", ""):
        connection = http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=60)
        connection.putrequest("GET", "/search", skip_host=True)
        connection.putheader("Host", host)
        connection.putheader("Cookie", cookie)
        connection.endheaders()
        answer = connection.getresponse()
        assert 400 <= answer.status < 500, host
        assert b"a.row" not in answer.read()
        connection.close()


def test_script_cannot_read_the_session(exporting: BrowserContext) -> None:
    page = exporting.new_page()
    page.goto("/")

    assert page.evaluate("() => document.cookie") == ""
    (cookie,) = exporting.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")


@pytest.mark.parametrize(
    "path", ["/../etc/passwd", "/events/..%2f..%2fetc", "//evil.invalid/", "/events/%2e%2e", "/style.css/.."]
)
def test_odd_path_reaches_nothing(explorer: ExplorerSite, path: str) -> None:
    address = urlsplit(explorer.origin)
    connection = http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()

    assert 400 <= answer.status < 500
    assert "evil.invalid" not in (answer.getheader("Location") or "")
    connection.close()
