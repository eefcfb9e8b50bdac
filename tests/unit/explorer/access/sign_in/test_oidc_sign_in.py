"""A person signs in at a provider, and a provider or a browser that lies lets nobody in."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr

from telemetry.types import ExplorerConfig, GrantsConfig, OidcConfig
from tests.support.access_site import Browser, Site, served_site
from tests.support.openid_provider import CLIENT, SECRET, OpenIdProvider, running_provider

ORIGIN = "https://audit.example.com"
GRANTS = GrantsConfig(reader_groups=("audit-readers",), exporter_groups=("audit-exporters",), sealed_subjects=("u-99",))


@pytest.fixture(scope="module")
def serving() -> Iterator[OpenIdProvider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(serving: OpenIdProvider) -> OpenIdProvider:
    serving.faults.clear()
    serving.person = {"sub": "u-17", "name": "Ada Byron", "groups": ["audit-readers"]}
    return serving


@pytest.fixture
async def site(provider: OpenIdProvider) -> AsyncIterator[Site]:
    oidc = OidcConfig(issuer=provider.issuer, client_id=CLIENT, client_secret=SecretStr(SECRET), grants=GRANTS)
    async with served_site(ExplorerConfig(oidc=oidc, public_urls=(ORIGIN,), sign_ins_per_minute=1_000)) as served:
        yield served


async def answer_of(browser: Browser, path: str = "/oidc/start") -> str:
    """Begin to sign in, and return the address with which the provider sends the browser back."""
    begun = await browser.get(path)
    assert begun.status_code == 303, begun.text
    async with httpx.AsyncClient() as client:
        return str((await client.get(begun.headers["location"])).headers["location"])


async def sign_in(site: Site, path: str = "/oidc/start") -> tuple[Browser, httpx.Response]:
    browser = site.browser(origin=ORIGIN)
    return browser, await browser.get(await answer_of(browser, path))


async def test_person_signs_in_with_the_right_of_the_group(site: Site) -> None:
    browser, answer = await sign_in(site, "/oidc/start?next=/search%3Fuser%3D7")

    assert answer.status_code == 200
    assert answer.headers["refresh"] == "0; url=/search?user=7"
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    cookies = answer.headers.get_list("set-cookie")
    assert any(c.startswith("__Host-telemetry-session=") and "Secure" in c and "SameSite=Strict" in c for c in cookies)
    assert (await browser.get("/")).text.split()[:2] == ["u-17", "reader"]


async def test_request_to_the_provider_has_proofs(site: Site) -> None:
    begun = await site.browser(origin=ORIGIN).get("/oidc/start")
    asked = parse_qs(urlsplit(begun.headers["location"]).query)

    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"{ORIGIN}/oidc/callback"]
    assert all(len(asked[name][0]) >= 43 for name in ("state", "nonce", "code_challenge"))


@pytest.mark.parametrize(
    ("person", "right"),
    [
        ({"groups": ["other", "audit-exporters", "audit-readers"]}, "exporter"),
        ({"groups": "audit-readers"}, "reader"),
        ({"sub": "u-99", "groups": []}, "sealed"),
    ],
)
async def test_right_that_allows_most_is_given(
    site: Site, provider: OpenIdProvider, person: dict[str, object], right: str
) -> None:
    provider.person |= person
    browser, _ = await sign_in(site)
    assert (await browser.get("/")).text.split()[1] == right


@pytest.mark.parametrize(
    "person",
    [
        {"groups": ["someone-else"]},
        {"groups": {"audit-readers": True}},
        {"groups": [["audit-readers"]]},
        {"sub": None},
        {"sub": ["u-17"]},
        {"sub": ""},
        {"sub": "u-17\u202e"},
        {"sub": "u" * 1_025},
    ],
)
async def test_person_without_grant_is_refused(site: Site, provider: OpenIdProvider, person: dict[str, object]) -> None:
    provider.person |= person
    browser, answer = await sign_in(site)
    assert answer.status_code == 403
    assert (await browser.get("/")).status_code == 303
    assert len(site.access.sessions) == 0


@pytest.mark.parametrize(
    "fault",
    [
        "wrong nonce",
        "no nonce",
        "wrong audience",
        "two audiences",
        "other party",
        "other issuer of the token",
        "other issuer of the answer",
        "expired",
        "not valid yet",
        "issued tomorrow",
        "valid for years",
        "time is a text",
        "time is not finite",
        "alg none",
        "signed with the public key as a secret",
        "signed by a stranger",
        "key in the token",
        "an access token",
        "altered",
        "no ID token",
        "refuses the person",
    ],
)
async def test_lie_of_a_provider_lets_nobody_in(
    site: Site, provider: OpenIdProvider, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    provider.faults.add(fault)
    with caplog.at_level(logging.DEBUG, logger="telemetry"):
        browser, answer = await sign_in(site)

    assert answer.status_code == 403
    assert (await browser.get("/")).status_code == 303
    assert len(site.access.sessions) == 0
    assert not any(word in caplog.text + answer.text for word in ("u-17", "Ada", SECRET, "eyJ"))


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("redirecting metadata", 503),
        ("huge metadata", 503),
        ("metadata is no object", 503),
        ("other issuer of metadata", 403),
        ("token endpoint without TLS", 403),
    ],
)
async def test_odd_metadata_begin_no_sign_in(site: Site, provider: OpenIdProvider, fault: str, status: int) -> None:
    provider.faults.add(fault)
    assert (await site.browser(origin=ORIGIN).get("/oidc/start")).status_code == status


async def test_published_secret_is_no_key(site: Site, provider: OpenIdProvider) -> None:
    provider.faults.add("keys are a secret")
    _, answer = await sign_in(site)
    assert answer.status_code == 403


async def test_rotated_key_is_asked_for(site: Site, provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.explorer.access.sign_in.oidc.provider._KEYS_PAUSE_SECONDS", 0.0)
    before = provider.key_requests
    assert (await sign_in(site))[1].status_code == 200
    assert (await sign_in(site))[1].status_code == 200
    assert provider.key_requests == before + 1

    provider.rotate()
    assert (await sign_in(site))[1].status_code == 200
    assert provider.key_requests == before + 2


async def test_unknown_keys_do_not_flood_the_provider(site: Site, provider: OpenIdProvider) -> None:
    assert (await sign_in(site))[1].status_code == 200
    before = provider.key_requests
    provider.rotate()
    for _ in range(3):
        assert (await sign_in(site))[1].status_code == 403
    assert provider.key_requests == before


async def test_answer_is_good_once(site: Site) -> None:
    browser = site.browser(origin=ORIGIN)
    url = await answer_of(browser)
    jar = dict(browser.client.cookies)
    assert (await browser.get(url)).status_code == 200

    browser.client.cookies.update(jar)
    assert (await browser.get(url)).status_code == 400


async def test_answer_for_another_browser_is_refused(site: Site) -> None:
    attacker, victim = site.browser(origin=ORIGIN), site.browser(origin=ORIGIN)
    url = await answer_of(attacker)

    assert (await victim.get(url)).status_code == 400
    await victim.get("/oidc/start")
    assert (await victim.get(url)).status_code == 400
    assert (await victim.get("/")).status_code == 303


@pytest.mark.parametrize("query", ["", "?state=x&code=y", "?code=y", "?state=&code=", "?error=access_denied"])
async def test_answer_to_no_sign_in_is_refused(site: Site, query: str) -> None:
    assert (await site.browser(origin=ORIGIN).get(f"/oidc/callback{query}")).status_code == 400


async def test_state_given_twice_is_refused(site: Site) -> None:
    browser = site.browser(origin=ORIGIN)
    url = await answer_of(browser)
    state = parse_qs(urlsplit(url).query)["state"][0]
    assert (await browser.get(f"{url}&state={state}")).status_code == 400


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example", "/\\evil.example", "/%5cevil.example", "javascript:1", "/a//b", "/../x"],
)
async def test_sign_in_leads_to_own_pages_alone(site: Site, target: str) -> None:
    browser = site.browser(origin=ORIGIN)
    begun = await browser.client.get("/oidc/start", params={"next": target})
    async with httpx.AsyncClient() as client:
        url = (await client.get(begun.headers["location"])).headers["location"]
    answer = await browser.get(url)
    assert answer.headers["refresh"] == "0; url=/"
    assert "evil" not in answer.text


async def test_session_before_the_sign_in_ends(site: Site) -> None:
    browser, _ = await sign_in(site)
    before = dict(browser.client.cookies)["__Host-telemetry-session"]
    await browser.get(await answer_of(browser))
    after = dict(browser.client.cookies)["__Host-telemetry-session"]

    assert before != after
    fixed = site.browser(origin=ORIGIN, cookies={"__Host-telemetry-session": before})
    assert (await fixed.get("/")).status_code == 303
    assert len(site.access.sessions) == 1


async def test_provider_that_is_away_is_said(caplog: pytest.LogCaptureFixture) -> None:
    oidc = OidcConfig(issuer="http://127.0.0.1:9", client_id=CLIENT, client_secret=SecretStr(SECRET), grants=GRANTS)
    async with served_site(ExplorerConfig(oidc=oidc, public_urls=(ORIGIN,))) as site:
        answer = await site.browser(origin=ORIGIN).get("/oidc/start")
    assert answer.status_code == 503
    assert "cannot be asked" in caplog.text


async def test_provider_that_hangs_keeps_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        issuer = f"http://127.0.0.1:{silent.getsockname()[1]}"
        oidc = OidcConfig(issuer=issuer, client_id=CLIENT, timeout_seconds=0.5, grants=GRANTS)
        async with served_site(ExplorerConfig(oidc=oidc, public_urls=(ORIGIN,))) as site:
            browser = site.browser(origin=ORIGIN)
            answers = await asyncio.gather(*(browser.get("/oidc/start") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {503}


async def test_many_persons_sign_in_at_once(site: Site) -> None:
    done = await asyncio.gather(*(sign_in(site) for _ in range(8)))
    homes = [await browser.get("/") for browser, _ in done]
    assert {home.status_code for home in homes} == {200}
    assert len({home.text.split()[-1] for home in homes}) == 8


async def test_signing_out_ends_the_session_here(site: Site, provider: OpenIdProvider) -> None:
    browser, _ = await sign_in(site)
    token = dict(browser.client.cookies)["__Host-telemetry-session"]
    out = await browser.post("/sign-out", {})
    page = await browser.get("/signed-out")

    assert (out.status_code, out.headers["location"]) == (303, "/signed-out")
    assert f"{provider.issuer}/logout" in page.text
    thief = site.browser(origin=ORIGIN, cookies={"__Host-telemetry-session": token})
    assert (await thief.get("/")).status_code == 303
