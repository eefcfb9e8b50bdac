"""The pages of the explorer over an index that a test fills, and a browser that walks through them without a network."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from telemetry.explorer.access.access import local_access
from telemetry.explorer.access.looks import Looks
from telemetry.explorer.access.right import Right
from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.jobs.desk import EvidenceDesk
from telemetry.explorer.jobs.trail_source import TrailSource
from telemetry.explorer.site.answering.pages import SitePages
from telemetry.explorer.site.answering.turns import Turns
from telemetry.explorer.site.app import build_app
from telemetry.explorer.site.scope import Scope
from telemetry.explorer.site.site import Site
from telemetry.reader.entry import Entry
from telemetry.types import TelemetryConfig
from tests.support.access_site import ORIGIN, unrecorded

_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


class ExploredSite:
    """An explorer in this process.

    Attributes:
        site: What its screens share.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self._app = build_app(site)

    @asynccontextmanager
    async def visit(self, *, reason: str = "") -> AsyncIterator[Visitor]:
        """Come in with a new one-time link, and give the reason if there is one."""
        transport = httpx.ASGITransport(app=self._app, client=("127.0.0.1", 5))
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            visitor = Visitor(client)
            link = self.site.access.make_link()
            assert link is not None
            await visitor.post("/enter", link=link.rpartition("/")[2])
            if reason:
                answer = await visitor.post("/reason", reason=reason, next="/search")
                assert answer.status_code == 303, answer.text
            yield visitor


class Visitor:
    """Gets pages and sends their forms, as a browser does.

    Attributes:
        client: The connection, with the cookies.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.get(path, **options)

    async def post(self, path: str, **fields: str) -> httpx.Response:
        """Send a form of a page of this session."""
        page = await self.client.get("/settings")
        token = _CSRF.search(page.text) if page.status_code == 200 else None
        data = fields | ({"csrf": token[1]} if token else {})
        return await self.client.post(path, data=data, headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"})

    async def shown(self, path: str) -> str:
        """Return the text of a page that is shown, without markup and with single spaces."""
        answer = await self.client.get(path)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return text_of(answer.text)


def text_of(page: str) -> str:
    """Return what a person reads of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page.partition("<main")[2])).split())


@asynccontextmanager
async def explored_site(
    entries: Iterable[Entry] = (),
    *,
    right: Right = Right.EXPORT,
    config: TelemetryConfig | None = None,
    scope: Scope | None = None,
    **bounds: Any,
) -> AsyncIterator[ExploredSite]:
    """Serve an index of these entries to one person; nothing is recorded unless a configuration says where."""
    chosen = config if config is not None else unrecorded()
    read = scope or Scope(topic="audit", options=("--config=telemetry.toml",))
    index = EventIndex(**bounds)
    index.add(entries)
    desk = EvidenceDesk(TrailSource(chosen), policy=None)
    try:
        async with Looks(chosen) as looks:
            yield ExploredSite(
                Site(
                    config=chosen,
                    policy=None,
                    scope=read,
                    index=index,
                    access=local_access(chosen, base_url=ORIGIN, right=right, looks=looks),
                    desk=desk,
                    pages=SitePages(index, scope=read),
                    turns=Turns(),
                )
            )
    finally:
        desk.close()
