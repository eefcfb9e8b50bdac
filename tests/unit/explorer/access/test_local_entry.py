"""The one-time link lets one person in, once."""

from __future__ import annotations

import asyncio

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.explorer.access.access import local_access
from telemetry.explorer.access.looks import Looks
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.sign_in.one_time_link import LINK_SECONDS, OneTimeLink
from tests.support.access_site import ORIGIN, local_site, unrecorded


async def test_link_lets_in_after_a_confirmation() -> None:
    async with local_site(Right.READ) as site:
        browser = site.browser()
        link = site.access.make_link()
        assert link is not None
        assert link.startswith(f"{ORIGIN}/enter/")

        page = await browser.get(link)
        assert page.status_code == 200
        assert 'action="/enter"' in page.text
        entered = await browser.post("/enter", {"link": link.rpartition("/")[2]})
        home = await browser.get("/")

    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert home.text.split()[1:3] == ["reader", "False"]
    cookie = entered.headers["set-cookie"]
    assert cookie.startswith("telemetry-session-43121=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))


async def test_prefetch_does_not_use_the_link_up() -> None:
    async with local_site() as site:
        link = site.access.make_link()
        assert link is not None
        for _ in range(3):
            assert (await site.browser().get(link)).status_code == 200
        assert (await site.browser().post("/enter", {"link": link.rpartition("/")[2]})).status_code == 303


async def test_second_use_of_a_link_is_refused() -> None:
    async with local_site() as site:
        link = site.access.make_link()
        assert link is not None
        token = link.rpartition("/")[2]
        assert (await site.browser().post("/enter", {"link": token})).status_code == 303

        thief = site.browser()
        page = await thief.get(f"/enter/{token}")
        again = await thief.post("/enter", {"link": token})

        assert (page.status_code, again.status_code) == (410, 403)
        assert token not in page.text
        assert (await thief.get("/")).headers["location"] == "/sign-in"


async def test_new_link_ends_the_former_one() -> None:
    async with local_site() as site:
        former, new = site.access.make_link(), site.access.make_link()
        assert former is not None
        assert new is not None
        assert (await site.browser().get(former)).status_code == 410
        assert (await site.browser().get(new)).status_code == 200


async def test_one_of_many_at_once_comes_in() -> None:
    async with local_site() as site:
        link = site.access.make_link()
        assert link is not None
        token = link.rpartition("/")[2]
        answers = await asyncio.gather(*(site.browser().post("/enter", {"link": token}) for _ in range(15)))
        assert sorted(answer.status_code for answer in answers) == [303] + [403] * 14
        assert len(site.access.sessions) == 1


def test_old_link_is_dead() -> None:
    now = 0.0
    link = OneTimeLink(ORIGIN, clock=lambda: now)
    token = link.make().rpartition("/")[2]
    now = LINK_SECONDS
    assert not link.take(token)
    assert token not in repr(link)


async def test_cookie_of_a_local_site_with_tls_is_secure() -> None:
    origin = "https://127.0.0.1:8443"
    async with local_site(origin=origin) as site:
        browser = site.browser(origin=origin)
        link = site.access.make_link()
        assert link is not None
        entered = await browser.post("/enter", {"link": link.rpartition("/")[2]})
    assert entered.headers["set-cookie"].startswith("__Host-telemetry-session-8443=")
    assert "Secure" in entered.headers["set-cookie"]
    assert "strict-transport-security" not in entered.headers


@pytest.mark.parametrize(
    "url", ["http://0.0.0.0:8080", "http://10.0.0.7:8080", "https://audit.example.com", "unix:/run/explorer.sock"]
)
def test_local_mode_beyond_this_machine_is_refused(url: str) -> None:
    config = unrecorded()
    with pytest.raises(ConfigurationError, match="nobody signs in"):
        local_access(config, base_url=url, right=Right.READ, looks=Looks(config))
