from __future__ import annotations

import pytest

from tests.support.explored_site import explored_site


@pytest.mark.parametrize(
    ("path", "media_type"),
    [("/style.css", "text/css"), ("/comfort.js", "text/javascript"), ("/icon.svg", "image/svg+xml")],
)
async def test_unchanged_asset_is_not_sent_again(path: str, media_type: str) -> None:
    async with explored_site() as explored, explored.visit() as visitor:
        first = await visitor.get(path)
        again = await visitor.get(path, headers={"if-none-match": first.headers["etag"]})

    assert first.headers["content-type"].startswith(media_type)
    assert (again.status_code, again.content) == (304, b"")


async def test_health_needs_no_session() -> None:
    async with explored_site() as explored, explored.visit() as visitor:
        visitor.client.cookies.clear()
        assert (await visitor.get("/healthz")).text == "ok\n"


async def test_browser_that_asks_for_an_icon_is_answered() -> None:
    async with explored_site() as explored, explored.visit() as visitor:
        assert (await visitor.get("/favicon.ico")).status_code == 204


async def test_script_refers_to_nothing_elsewhere() -> None:
    async with explored_site() as explored, explored.visit() as visitor:
        script = (await visitor.get("/comfort.js")).text

    assert "http" not in script
    assert "innerHTML" not in script
    assert "eval(" not in script
