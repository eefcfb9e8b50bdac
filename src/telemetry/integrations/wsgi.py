"""Records each request of a WSGI application, and gives every event that is logged in one its user and origin.

>>> application = AuditMiddleware(application)  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from telemetry.audited_calls import audited
from telemetry.context import audit_context, current_audit_context, update_audit_context
from telemetry.integrations.web.actor import Actor
from telemetry.integrations.web.request_audit import UNKEPT, RequestAudit
from telemetry.integrations.web.sampling import Sampling
from telemetry.integrations.web.settings import WebOptions, WebSettings
from telemetry.integrations.web.web_audit import WebAudit

if TYPE_CHECKING:
    from telemetry import Telemetry, TelemetryConfig

__all__ = [
    "Actor",
    "AuditMiddleware",
    "Sampling",
    "audit_context",
    "audited",
    "current_audit_context",
    "update_audit_context",
]

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

ROUTE = "telemetry.route"
"""Key of the environment under which a framework tells the template of the route."""

ERROR = "telemetry.error"
"""Key under which it tells the exception that it turned into an answer."""

AUDIT = "telemetry.audit"
"""Key under which it finds the request's audit."""

_UNAVAILABLE_LINE = "503 Service Unavailable"
_UNAVAILABLE = 503
_INTERNAL_ERROR = 500


class AuditMiddleware:
    """Records requests as ``http.request`` events, and opens the audit context of each.

    It starts what logs with the first request of a process, so a server may fork after it was created, and ends it with the
    process.

    Args:
        application: The application.
        telemetry: What logs; None creates one from ``config``.
        config: Configuration of the one that is created, or its file; None is the ``TELEMETRY_*`` variables.
        **options: What is recorded; see ``telemetry.integrations.web.settings.WebSettings``. Hooks get the environment.

    Raises:
        ConfigurationError: The options or the configuration cannot work.
    """

    def __init__(
        self,
        application: Application,
        *,
        telemetry: Telemetry | None = None,
        config: TelemetryConfig | str | Path | None = None,
        **options: Unpack[WebOptions],
    ) -> None:
        self.application = application
        self._web = WebAudit("wsgi", WebSettings(**options), telemetry=telemetry, config=config)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request.

        Raises:
            TelemetryError: What logs cannot be started; nothing is served that would not be recorded.
        """
        if not self._web.is_started:
            self._web.start()
        # The server asks for the body after this call has returned: the whole request runs in a context of its own.
        context = copy_context()
        return context.run(self._answer, context, environ, start_response)

    def _answer(self, context: Context, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        audit = _begun(self._web, environ)
        environ[AUDIT] = audit
        audit.__enter__()
        answer = _Answer(audit, context, environ, start_response)
        try:
            body = self.application(environ, answer.start)
        except BaseException as exc:
            answer.finish(exc)
            raise
        return answer.served(body)


class _Answer:
    """The answer to one request: its status, and its body as the server asks for it.

    Args:
        audit: The request's audit.
        context: What the request runs in.
        environ: Its environment.
        start_response: Starts the answer at the server.
    """

    def __init__(self, audit: RequestAudit, context: Context, environ: Environ, start_response: StartResponse) -> None:
        self._audit = audit
        self._context = context
        self._environ = environ
        self._start_response = start_response
        self._status: int | None = None
        self._body: Iterable[bytes] = ()
        self._parts: Iterator[bytes] = iter(())
        self._remaining: int | None = None
        self._is_complete = False
        self._is_replaced = False

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        """Start the answer for the application."""
        if self._is_replaced:
            return _ignore
        is_first = self._status is None
        self._status = _number(status)
        # Where the length is known, a server may stop there, and a test client may read no further.
        self._remaining = _length(headers)
        if is_first and self._audit.must_wait and not self._is_kept(self._status):
            self._is_replaced = True
            self._audit.replaced(_UNAVAILABLE, route=self._environ.get(ROUTE))
            described = [("Content-Type", "text/plain"), ("Content-Length", str(len(UNKEPT)))]
            self._start_response(_UNAVAILABLE_LINE, described)
            return _ignore
        return self._start_response(status, headers, exc_info) if exc_info else self._start_response(status, headers)

    def _is_kept(self, status: int) -> bool:
        return self._audit.wait(self._audit.before_answer(status, route=self._environ.get(ROUTE)))

    def served(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """Return the body for the server."""
        self._body = body
        wrapper = self._environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(body, wrapper) and not self._is_replaced:
            # The server sends the file itself if it gets this very object; how that ends is not seen.
            self._is_complete = True
            self.finish(None)
            return body
        self._parts = iter(body)
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._is_replaced:
            return self._replacement()
        try:
            part = self._context.run(next, self._parts)
        except StopIteration:
            if self._is_replaced:  # a generator starts its answer when it is asked for the first part
                return self._replacement()
            self._end()
            raise
        except BaseException as exc:
            self._context.run(self.finish, exc)
            raise
        if self._is_replaced:
            return self._replacement()
        if self._remaining is not None:
            self._remaining -= len(part)
            if self._remaining <= 0:
                self._end()
        return part

    def _end(self) -> None:
        self._is_complete = True
        self._context.run(self.finish, None)

    def _replacement(self) -> bytes:
        if self._is_complete:
            raise StopIteration
        self._is_complete = True
        return UNKEPT

    def close(self) -> None:
        """End the answer: the server calls this in any case."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                self._context.run(close)
        finally:
            self._context.run(self.finish, None)

    def finish(self, error: BaseException | None) -> None:
        """Record the request, unless that is done."""
        status = self._status
        if status is None and isinstance(error, Exception):
            status = _INTERNAL_ERROR
        self._audit.finish(
            status=status,
            route=self._environ.get(ROUTE),
            error=error or self._environ.get(ERROR),
            # A server that cannot send the body closes it before its end.
            disconnected=not self._is_complete and error is None,
            complete=self._is_complete,
        )


def _begun(web: WebAudit, environ: Environ) -> RequestAudit:
    def header(name: str) -> str | None:
        value = environ.get("HTTP_" + name.upper().replace("-", "_"))
        return value if isinstance(value, str) else None

    return web.begin(
        environ,
        method=str(environ.get("REQUEST_METHOD", "")),
        path=str(environ.get("SCRIPT_NAME", "")) + str(environ.get("PATH_INFO", "")),
        peer=environ.get("REMOTE_ADDR") or None,
        header=header,
        authenticated=lambda: environ.get("REMOTE_USER"),
    )


def _length(headers: list[tuple[str, str]]) -> int | None:
    found = next((value for name, value in headers if name.lower() == "content-length"), "")
    return int(found) if found.isdecimal() else None


def _number(status: str) -> int:
    digits = status[:3]
    return int(digits) if digits.isdecimal() else _INTERNAL_ERROR


def _ignore(data: bytes) -> None:
    """Take what an application writes into an answer that was replaced."""
