"""Is a small FastAPI application in which a request can end in every way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Request, WebSocket
from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from telemetry import Telemetry
from telemetry.integrations.fastapi import audited, update_audit_context


class ByHeader(AuthenticationBackend):
    """Believes the header ``Authorization``; ``bad`` is a wrong password."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        name = conn.headers.get("authorization")
        if name is None:
            return None
        if name == "bad":
            message = "wrong password"
            raise AuthenticationError(message)
        return AuthCredentials(["authenticated"]), SimpleUser(name)


def late_user(request: Request) -> str:
    """Authenticates in a dependency, which runs in a thread."""
    name = request.headers.get("x-late-user", "")
    if not name:
        raise HTTPException(401)
    update_audit_context(user_id=name)
    return name


def end(how: str) -> Any:
    """End an endpoint in one of the ways."""
    if how == "error":
        message = "secret-in-error"
        raise ValueError(message)
    if how.isdecimal():
        raise HTTPException(int(how), "secret-in-detail")
    return {"how": how}


def shop(telemetry: Telemetry) -> FastAPI:  # noqa: C901 - one endpoint after the other
    """Return the application, without the middleware under test."""
    app = FastAPI()

    @app.post("/sync/{how}")
    @audited("order.refunded", entity="order", entity_id="how", telemetry=telemetry)
    def in_thread(how: str, tasks: BackgroundTasks) -> Any:
        tasks.add_task(telemetry.audit.log, "mail.sent", {})
        return end(how)

    @app.post("/async/{how}")
    @audited("order.refunded", entity="order", entity_id="how", telemetry=telemetry)
    async def in_loop(how: str, tasks: BackgroundTasks) -> Any:
        async def mail() -> None:
            await telemetry.audit.log("mail.sent", {})

        tasks.add_task(mail)
        await asyncio.sleep(0)
        return end(how)

    @app.post("/late")
    def late(user: Annotated[str, Depends(late_user)]) -> str:
        telemetry.audit.log("late.used", {})
        return user

    @app.post("/stream/{how}")
    async def stream(how: str) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"a"
            await telemetry.audit.log("stream.used", {})
            if how == "error":
                message = "secret-in-error"
                raise ValueError(message)
            yield b"b"

        return StreamingResponse(parts())

    @app.post("/endless")
    def endless() -> Response:
        def parts() -> Iterator[bytes]:
            while True:
                yield b"x" * 65_536

        return StreamingResponse(parts())

    @app.get("/orders/{order_id}")
    def order(order_id: int) -> int:
        return order_id

    @app.post("/background-error")
    def background_error(tasks: BackgroundTasks) -> str:
        tasks.add_task(end, "error")
        return "answered"

    @app.websocket("/ws/{how}")
    async def socket(websocket: WebSocket, how: str) -> None:
        if how == "refused":
            await websocket.close(1008)
            return
        await websocket.accept()
        await websocket.receive_text()
        if how == "error":
            raise ValueError(how)
        await websocket.close(int(how))

    inner = APIRouter(prefix="/tenants/{tenant}")

    @inner.put("/orders/{order_id}")
    def replace(tenant: str, order_id: int) -> None: ...

    outer = APIRouter(prefix="/v1")
    outer.include_router(inner)
    app.include_router(outer, prefix="/api")

    mounted = FastAPI()

    @mounted.delete("/deep/{item}")
    def remove(item: str) -> None: ...

    app.mount("/sub/{area}", mounted)

    async def plain(_request: Request) -> Response:
        return PlainTextResponse("plain")

    app.router.routes.append(Mount("/plain", routes=[Route("/{what}", plain, methods=["PUT"])]))

    def refused(_conn: HTTPConnection, _error: Exception) -> Response:
        return PlainTextResponse("refused", 401)

    app.add_middleware(AuthenticationMiddleware, backend=ByHeader(), on_error=refused)
    return app
