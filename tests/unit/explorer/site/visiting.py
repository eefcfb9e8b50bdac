"""An explorer of a small signed trail, and visitors that send requests to it as browsers do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import Any

import httpx

from telemetry.config import SigningConfig
from telemetry.explorer.access.access import local_access
from telemetry.explorer.access.looks import Looks
from telemetry.explorer.access.person import Person
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.session import Session
from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.jobs.desk import EvidenceDesk
from telemetry.explorer.site.answering.pages import SitePages
from telemetry.explorer.site.answering.turns import Turns
from telemetry.explorer.site.app import build_app
from telemetry.explorer.site.scope import Scope
from telemetry.explorer.site.site import Site
from telemetry.reader import KafkaSource
from telemetry.reader.trust import TrustPolicy
from telemetry.trail import open_trail
from tests.support.until import PATIENCE
from tests.unit.explorer.jobs.conftest import SignedTrail

ORIGIN = "http://127.0.0.1:4321"


class Visitor:
    """A person at a browser that keeps cookies and sends forms as browsers do."""

    def __init__(self, client: httpx.AsyncClient, session: Session) -> None:
        self.client = client
        self.session = session

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path)

    async def post(self, path: str, fields: Mapping[str, str | list[str]] | None = None, **more: Any) -> httpx.Response:
        headers = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
        data = {"csrf": self.session.csrf, **(fields or {})}
        return await self.client.post(path, data=data, headers=headers, **more)

    async def finished(self, path: str) -> httpx.Response:
        """Load a page again and again, as its header asks the browser to, until it no longer does."""
        async with asyncio.timeout(PATIENCE):
            while "refresh" in (answer := await self.get(path)).headers:  # noqa: ASYNC110 - the page says only that it is not over
                await asyncio.sleep(0.02)
        return answer


class Explorer:
    """An explorer whose index is filled."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._app = build_app(site)
        self._clients: list[httpx.AsyncClient] = []

    def visitor(self, subject: str = "ada", *, right: Right = Right.EXPORT, reason: str | None = "INC-77") -> Visitor:
        person = Person(subject=subject, name=subject.title(), right=right, how="oidc")
        session, token = self.site.access.sessions.begin(person, address="127.0.0.1")
        if reason is not None and right is not Right.SEALED:
            session.open_content(reason)
        transport = httpx.ASGITransport(self._app, client=("127.0.0.1", 50_000))
        cookies = {self.site.access.cookies.session_name: token}
        client = httpx.AsyncClient(transport=transport, base_url=ORIGIN, cookies=cookies)
        self._clients.append(client)
        return Visitor(client, session)

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


@asynccontextmanager
async def explorer_of(
    trail: SignedTrail, *, policy: TrustPolicy | None = None, signing: SigningConfig | None = None
) -> AsyncIterator[Explorer]:
    """Yield an explorer of a trail, without its server."""
    index = EventIndex()
    with KafkaSource(trail.config.audit_config) as source:
        silent = trail.config.audit_config.model_copy(update={"read_audit": "off"})
        config = trail.config.model_copy(update={"audit_config": silent})
        with open_trail(config, source, trust=policy) as entries:
            index.add(entries)
    desk = EvidenceDesk(trail.source, policy=policy, signing=signing)
    scope = Scope(topic=trail.config.audit_config.kafka_topic, options=("-c", "telemetry.toml"))
    async with Looks(trail.config) as looks:
        access = local_access(trail.config, base_url=ORIGIN, right=Right.EXPORT, looks=looks)
        site = Site(
            config=trail.config,
            policy=policy,
            scope=scope,
            index=index,
            access=access,
            desk=desk,
            pages=SitePages(index, scope=scope),
            turns=Turns(),
        )
        explorer = Explorer(site)
        try:
            yield explorer
        finally:
            await explorer.close()
            desk.close()


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def text_of(answer: httpx.Response) -> str:
    """Return what a person reads on a page."""
    page = _Page()
    page.feed(answer.text)
    return " ".join(" ".join(page.text).split())


def tags_of(answer: httpx.Response, tag: str) -> list[dict[str, str | None]]:
    """Return the attributes of each element of a kind."""
    page = _Page()
    page.feed(answer.text)
    return [attributes for name, attributes in page.tags if name == tag]
