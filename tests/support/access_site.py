"""A small site behind the door of the explorer, and a browser that talks to it without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from jinja2 import ChoiceLoader, DictLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from telemetry.explorer.access.access import Access, local_access, served_access
from telemetry.explorer.access.guarded import guarded_app
from telemetry.explorer.access.looks import Looks
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.route import anyone, require
from telemetry.explorer.access.visit import form_of, session_of, visit_of
from telemetry.pages.environment import page_environment, render
from telemetry.types import AuditConfig, ExplorerConfig, TelemetryConfig
from tests.support.quick_telemetry import NOWHERE

ORIGIN = "http://127.0.0.1:43121"
FRAME = "<title>{% block title %}{% endblock %}</title>{% block main %}{% endblock %}"


class TestPages:
    """Renders the pages of signing in in an empty frame."""

    __test__ = False

    def __init__(self) -> None:
        self._environment = page_environment("telemetry.explorer.access")
        loader = self._environment.loader
        assert loader is not None
        self._environment.loader = ChoiceLoader([loader, DictLoader({"explorer.html": FRAME})])

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        text = render(self._environment, template, session=visit_of(request).session, **values)
        return HTMLResponse(text, status)


def routes(access: Access) -> list[Route]:
    """Return a route for each kind of requirement."""

    @require(Right.SEALED)
    async def overview(request: Request) -> Response:
        session = session_of(request)
        return PlainTextResponse(
            f"{session.person.subject} {session.person.right.value} {session.is_open} {session.csrf}"
        )

    @require(Right.SEALED)
    async def change(request: Request) -> Response:
        return PlainTextResponse(f"changed {form_of(request).get('value')}")

    @require(Right.READ, content=True)
    async def content(request: Request) -> Response:
        return PlainTextResponse("the content")

    @require(Right.EXPORT)
    async def export(request: Request) -> Response:
        return PlainTextResponse("the export")

    @require(Right.READ)
    async def reason(request: Request) -> Response:
        await access.give_reason(request, form_of(request).get("reason"))
        return PlainTextResponse("given")

    @require(Right.SEALED)
    async def fail(request: Request) -> Response:
        message = "a secret of the trail"
        raise ValueError(message)

    @anyone
    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok")

    return [
        Route("/", overview, methods=["GET"]),
        Route("/change", change, methods=["POST"]),
        Route("/content", content, methods=["GET", "POST"]),
        Route("/export", export, methods=["POST"]),
        Route("/reason", reason, methods=["POST"]),
        Route("/fail", fail, methods=["GET"]),
        Route("/healthz", healthz, methods=["GET"]),
    ]


class Site:
    """The site, and who has access to it.

    Attributes:
        access: Decides about visitors.
        app: The application.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        self.app: ASGIApp = guarded_app(access, routes(access), TestPages())

    def browser(self, *, origin: str = ORIGIN, client: tuple[str, int] = ("127.0.0.1", 5), **options: Any) -> Browser:
        """Return a browser with cookies of its own."""
        transport = httpx.ASGITransport(app=self.app, client=client)
        return Browser(httpx.AsyncClient(transport=transport, base_url=origin, **options), origin)


class Browser:
    """Sends what a browser sends."""

    def __init__(self, client: httpx.AsyncClient, origin: str) -> None:
        self.client = client
        self._origin = origin

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.get(path, **options)

    async def post(
        self, path: str, fields: dict[str, str], *, token: str | None = None, **headers: str
    ) -> httpx.Response:
        """Send a form of the site's own page; the CSRF token is that of the session unless another one is given."""
        sent = {"origin": self._origin, "sec-fetch-site": "same-origin"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        csrf = await self.csrf() if token is None else token
        data = {**fields, **({"csrf": csrf} if csrf else {})}
        return await self.client.post(path, data=data, headers={k: v for k, v in sent.items() if v})

    async def csrf(self) -> str:
        """Return the token that the forms of this session carry; empty without a session."""
        answer = await self.get("/")
        return answer.text.split()[-1] if answer.status_code == 200 else ""

    async def enter(self, site: Site) -> None:
        """Come in with a one-time link."""
        link = site.access.make_link()
        assert link is not None
        answer = await self.post("/enter", {"link": link.rpartition("/")[2]})
        assert answer.status_code == 303, answer.text


def unrecorded() -> TelemetryConfig:
    """Return the configuration of a trail whose reads are not recorded."""
    audit = AuditConfig(
        kafka_brokers=NOWHERE,
        security_protocol="PLAINTEXT",
        encryption_enabled=False,
        fallback_enabled=False,
        read_audit="off",
    )
    return TelemetryConfig(service_name="shop", audit_config=audit)


@asynccontextmanager
async def local_site(
    right: Right = Right.EXPORT, *, config: TelemetryConfig | None = None, origin: str = ORIGIN
) -> AsyncIterator[Site]:
    """Serve one person at this machine; nothing is recorded unless a configuration says where."""
    chosen = config if config is not None else unrecorded()
    async with Looks(chosen) as looks:
        yield Site(local_access(chosen, base_url=origin, right=right, looks=looks))


@asynccontextmanager
async def served_site(explorer: ExplorerConfig, *, config: TelemetryConfig | None = None) -> AsyncIterator[Site]:
    """Serve several persons; nothing is recorded unless a configuration says where."""
    base = config if config is not None else unrecorded()
    chosen = base.model_copy(update={"explorer_config": explorer})
    async with Looks(chosen) as looks:
        yield Site(served_access(chosen, base_urls=explorer.public_urls, looks=looks))
