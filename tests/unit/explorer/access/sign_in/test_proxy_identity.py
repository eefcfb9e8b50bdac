"""A proxy's word is believed from the proxy alone."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.explorer.access.access import served_access
from telemetry.explorer.access.looks import Looks
from telemetry.types import ExplorerConfig, GrantsConfig, ProxyIdentityConfig
from tests.support.access_site import Browser, Site, served_site, unrecorded

ORIGIN = "https://audit.example.com"
GRANTS = GrantsConfig(reader_groups=("readers",), exporter_groups=("exporters",))
ADA = {"x-forwarded-user": "ada", "x-forwarded-groups": "staff, readers"}


def explorer(**changes: Any) -> ExplorerConfig:
    proxy = ProxyIdentityConfig(peers=("10.0.0.0/24",), grants=GRANTS, **changes)
    return ExplorerConfig(proxy=proxy, public_urls=(ORIGIN,))


def through_proxy(site: Site, headers: dict[str, str] | list[tuple[str, str]]) -> Browser:
    return site.browser(origin=ORIGIN, client=("10.0.0.5", 4), headers=headers)


async def test_proxy_signs_a_person_in() -> None:
    async with served_site(explorer()) as site:
        ada = through_proxy(site, ADA)
        assert (await ada.get("/")).text.split()[:2] == ["ada", "reader"]
        assert (await ada.get("/")).status_code == 200
        assert len(site.access.sessions) == 1
        assert (await ada.post("/change", {"value": "1"})).text == "changed 1"


async def test_direct_caller_with_the_header_is_refused() -> None:
    async with served_site(explorer()) as site:
        for peer in ("10.0.1.5", "127.0.0.1", "::1"):
            thief = site.browser(origin=ORIGIN, client=(peer, 4), headers=ADA)
            assert (await thief.get("/")).status_code == 403
            assert (await thief.get("/healthz")).status_code == 200
        assert len(site.access.sessions) == 0


async def test_stolen_cookie_past_the_proxy_is_worthless() -> None:
    async with served_site(explorer()) as site:
        ada = through_proxy(site, ADA)
        await ada.get("/")
        cookies = dict(ada.client.cookies)
        thief = site.browser(origin=ORIGIN, client=("10.0.1.5", 4), headers=ADA, cookies=cookies)
        assert (await thief.get("/")).status_code == 403
        eve = through_proxy(site, {**ADA, "x-forwarded-user": "eve"})
        eve.client.cookies.update(cookies)
        assert (await eve.get("/")).text.split()[0] == "eve"


async def test_change_of_groups_begins_a_new_session() -> None:
    async with served_site(explorer()) as site:
        ada = through_proxy(site, {**ADA, "x-forwarded-groups": "exporters"})
        before = await ada.csrf()
        ada.client.headers["x-forwarded-groups"] = "readers"
        page = await ada.get("/")
        assert page.text.split()[1] == "reader"
        assert page.text.split()[-1] != before
        assert len(site.access.sessions) == 1
        ada.client.headers["x-forwarded-groups"] = "others"
        assert (await ada.get("/")).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("x-forwarded-user", "")],
        [("x-forwarded-user", "ada"), ("x-forwarded-user", "eve")],
        [("x-forwarded-user", "ada"), ("x_forwarded_user", "eve")],
        [("x-forwarded-user", "ada"), ("x-forwarded-groups", "others"), ("x-forwarded_groups", "readers")],
        [("x-forwarded-user", "a" * 5_000)],
        [("x-forwarded-user", "ada\u202e")],
    ],
    ids=["absent", "empty", "twice", "underscores", "two spellings", "long", "bidi"],
)
async def test_unclear_identity_is_refused(headers: list[tuple[str, str]]) -> None:
    async with served_site(explorer()) as site:
        sent = [(name.encode(), value.encode()) for name, value in headers]
        given = {name for name, _ in headers}
        groups = [] if "x-forwarded-groups" in given else [(b"x-forwarded-groups", b"readers")]
        browser = site.browser(origin=ORIGIN, client=("10.0.0.5", 4), headers=[*sent, *groups])
        assert (await browser.get("/")).status_code in (400, 401, 403)
        assert len(site.access.sessions) == 0


async def test_person_fills_no_room_of_others() -> None:
    async with served_site(explorer().model_copy(update={"max_sessions": 12})) as site:
        for _ in range(100):
            assert (await through_proxy(site, ADA).get("/")).status_code == 200
        assert len(site.access.sessions) == 10
        other = through_proxy(site, {**ADA, "x-forwarded-user": "bob"})
        assert (await other.get("/")).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"user_header": "cookie"},
        {"user_header": ""},
        {"user_header": "x user"},
        {"groups_header": "x-forwarded-user"},
        {"peers": ()},
    ],
)
def test_unsafe_configuration_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        ProxyIdentityConfig(**({"peers": ("10.0.0.5",)} | changes))


def test_peer_that_is_no_address_is_refused() -> None:
    config = ExplorerConfig(proxy=ProxyIdentityConfig(peers=("proxy.example",)), public_urls=(ORIGIN,))
    chosen = unrecorded().model_copy(update={"explorer_config": config})
    with pytest.raises(ConfigurationError, match=r"proxy\.example"):
        served_access(chosen, base_urls=(ORIGIN,), looks=Looks(chosen))
