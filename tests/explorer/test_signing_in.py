"""Browsers do with cookies, origins and redirects what the door of the explorer counts on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext
from pydantic import SecretStr

from telemetry.explorer.access.right import Right
from telemetry.types import ExplorerConfig, GrantsConfig, OidcConfig
from tests.support.access_site import Site, local_site, served_site
from tests.support.openid_provider import CLIENT, SECRET, OpenIdProvider, running_provider
from tests.support.served_site import served

_ELSEWHERE = "<html lang=en><title>Elsewhere</title><body>{}</body></html>"


@pytest.fixture(scope="module")
def local() -> Iterator[tuple[str, Site]]:
    with served(lambda origin: local_site(Right.READ, origin=origin)) as running:
        yield running


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    # Of another site than 127.0.0.1, as a provider is.
    with running_provider(host="localhost") as running:
        yield running


@pytest.fixture(scope="module")
def company(provider: OpenIdProvider) -> Iterator[tuple[str, Site]]:
    grants = GrantsConfig(reader_groups=("audit-readers",))
    oidc = OidcConfig(issuer=provider.issuer, client_id=CLIENT, client_secret=SecretStr(SECRET), grants=grants)
    with served(lambda origin: served_site(ExplorerConfig(oidc=oidc, public_urls=(origin,)))) as running:
        yield running


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context()
    yield context
    context.close()


def test_link_is_confirmed_and_used_up(local: tuple[str, Site], context: BrowserContext, chromium: Browser) -> None:
    origin, site = local
    link = site.access.make_link()
    assert link is not None
    page = context.new_page()
    page.goto(link)
    page.get_by_role("button", name="Open").click()
    page.wait_for_url(f"{origin}/")
    assert "reader False" in page.inner_text("body")

    thief = chromium.new_context()
    other = thief.new_page()
    other.goto(link)
    assert "does not work" in other.inner_text("body")
    thief.close()


def test_person_comes_back_from_the_provider(company: tuple[str, Site], context: BrowserContext) -> None:
    origin, _ = company
    page = context.new_page()
    page.goto(f"{origin}/content")
    page.get_by_role("link", name="Sign in").click()
    # The path that was asked for first asks for a reason, so the session is known.
    page.wait_for_url(f"{origin}/reason?next=%2Fcontent")
    page.goto(f"{origin}/")
    assert page.inner_text("body").startswith("u-17 reader")


def test_other_site_gets_nothing_with_the_cookie(company: tuple[str, Site], context: BrowserContext) -> None:
    origin, _ = company
    page = context.new_page()
    page.goto(f"{origin}/")
    page.get_by_role("link", name="Sign in").click()
    page.wait_for_url(f"{origin}/")
    token = page.inner_text("body").split()[-1]

    # 1. A link of another site leads to the page that asks to continue, and from there on.
    other = context.new_page()
    elsewhere = origin.replace("127.0.0.1", "localhost")
    other.route(f"{elsewhere}/**", lambda route: route.fulfill(body=_page(origin, token), content_type="text/html"))
    other.goto(f"{elsewhere}/page")
    other.get_by_role("link", name="an event").click()
    assert "/sign-in" in other.url
    other.get_by_role("link", name="continue").click()
    other.wait_for_url(f"{origin}/")
    assert other.inner_text("body").startswith("u-17")

    # 2. A form of another site changes nothing, even with a stolen token.
    other.goto(f"{elsewhere}/page")
    other.get_by_role("button", name="win").click()
    other.wait_for_load_state()
    assert "changed" not in other.inner_text("body")

    # 3. It can neither frame nor read a page.
    other.goto(f"{elsewhere}/page")
    read = other.evaluate(
        "url => fetch(url, {credentials: 'include', mode: 'cors'}).then(r => r.text(), () => 'nothing')", f"{origin}/"
    )
    assert read == "nothing"
    frame = other.frame(name="frame")
    assert frame is None or "u-17" not in frame.content()


def _page(origin: str, token: str) -> str:
    return _ELSEWHERE.format(
        f"<a href='{origin}/'>an event</a><form method=post action='{origin}/change'><input type=hidden name=csrf value='{token}'>"
        f"<input type=hidden name=value value=1><button>win</button></form><iframe name=frame src='{origin}/'></iframe>"
    )
