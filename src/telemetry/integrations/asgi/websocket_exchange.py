"""Watches the messages of one WebSocket, and records its beginning, or refusal, and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telemetry.integrations.asgi.messages import Message, Receive, Scope, Send
from telemetry.integrations.asgi.route import RouteFinder
from telemetry.outcome import Outcome, outcome_of_status

if TYPE_CHECKING:
    from telemetry.integrations.web.request_audit import RequestAudit

CONNECT = "websocket.connect"
DISCONNECT = "websocket.disconnect"

_FORBIDDEN = 403
# RFC 6455, section 7.4.1, and the registry of IANA: normal, going away, no code; policy violation, unauthorized, forbidden.
_NORMAL = frozenset((1000, 1001, 1005))
_DENIED = frozenset((1008, 3000, 3003))
_ABNORMAL = 1006
# What Starlette and Litestar raise in an application that receives after the client has closed; most let it pass.
_CLIENT_LEFT = "WebSocketDisconnect"


class WebsocketExchange:
    """One WebSocket. It may stay open for days, so its beginning is recorded at once, and its end as a second event.

    Args:
        audit: The request's audit.
        scope: Its scope.
        receive: Receives from the server.
        send: Sends to the server.
    """

    def __init__(self, audit: RequestAudit, scope: Scope, receive: Receive, send: Send) -> None:
        self._audit = audit
        self._route = RouteFinder(scope)
        self._receive = receive
        self._send = send
        self._is_decided = False
        self._is_open = False
        self._is_wanted = False
        self._code: int | None = None

    async def receive(self) -> Message:
        """Receive for the application."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect" and self._code is None:
            self._code = message.get("code", _ABNORMAL)
        return message

    async def send(self, message: Message) -> None:
        """Send for the application."""
        kind = message["type"]
        if not self._is_decided:
            if kind == "websocket.accept":
                self._decide({}, "success")
                self._is_open = True
            elif kind == "websocket.close":
                self._decide({"status": _FORBIDDEN}, "denied")
            elif kind == "websocket.http.response.start":
                self._decide({"status": message["status"]}, outcome_of_status(message["status"]))
        elif kind == "websocket.close" and self._code is None:
            self._code = message.get("code", 1000)
        await self._send(message)

    def finish(self, error: BaseException | None) -> None:
        """Record the end.

        Args:
            error: What the application raised.
        """
        named = {} if error is None else {"error": type(error).__name__}
        if not self._is_decided:
            # The client left before the application had decided, or the application failed: servers answer with a 500.
            self._decide(named, "failure")
        elif self._is_open and self._is_wanted:
            has_failed = isinstance(error, Exception) and type(error).__name__ != _CLIENT_LEFT
            payload = {"code": self._code, "duration_ms": self._audit.elapsed_ms(), **(named if has_failed else {})}
            outcome = "failure" if has_failed else _outcome_of_code(self._code)
            self._audit.record(DISCONNECT, payload, outcome=outcome, route=self._route.template(), sampled=False)

    def _decide(self, payload: dict[str, Any], outcome: Outcome) -> None:
        self._is_decided = True
        receipt = self._audit.record(CONNECT, payload, outcome=outcome, route=self._route.template())
        self._is_wanted = receipt is not None


def _outcome_of_code(code: int | None) -> Outcome:
    if code is None or code in _NORMAL:
        return "success"
    return "denied" if code in _DENIED else "failure"
