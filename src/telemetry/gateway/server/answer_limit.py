"""Bounds how long one answer may take, with the request that it answers."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send


class AnswerLimit:
    """Cuts off who does not send a request to its end, or does not take the answer.

    Args:
        app: Answers the requests.
        seconds: Time for a request and its answer.
    """

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            async with asyncio.timeout(self._seconds):
                await self._app(scope, receive, send)
        except TimeoutError:
            scope["state"]["abort"]()
