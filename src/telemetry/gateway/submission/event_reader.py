"""Defines what each kind of body needs: a way to take it apart, and a way to read one event of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from starlette.requests import Request

from telemetry.config.gateway.limits import GatewayLimits
from telemetry.gateway.submission.event_call import EventCall

Text = TypeVar("Text")


class EventReader(Protocol[Text]):
    """Reads bodies of one kind."""

    async def split(self, body: bytes, request: Request, limits: GatewayLimits) -> Sequence[Text]:
        """Return the texts of the events of a body, at least one, not decoded yet.

        Args:
            body: The body, decompressed.
            request: Its request.
            limits: Bounds of events and nesting.

        Raises:
            RefusedRequestError: It cannot be taken apart; nothing of it is logged.
        """

    def read(self, text: Text, key: str | None) -> EventCall:
        """Return the arguments of ``log()`` for one event.

        Args:
            text: Its text.
            key: Its idempotency key from the header of the request, if there is one.

        Raises:
            EventError: It is no event; the message says why and what to do, without its content.
        """
