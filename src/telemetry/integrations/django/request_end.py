"""Logs a request when its answer has ended: at once, or when the last part of a streamed answer was handed out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Self, cast

from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from telemetry.integrations.web.request_audit import RequestAudit
from telemetry.types import Receipt

_ERROR = "_telemetry_error"
_UNAVAILABLE = 503


def remember_error(request: HttpRequest, error: BaseException | None) -> None:
    """Remember what a view has raised: a middleware only sees the answer that Django makes of it."""
    setattr(request, _ERROR, error)


class RequestEnd:
    """How one request ended.

    Args:
        audit: The audit of the request.
        request: The request.
        is_logged: Whether requests are logged at all.

    Attributes:
        audit: The audit of the request.
    """

    def __init__(self, audit: RequestAudit, request: HttpRequest, *, is_logged: bool) -> None:
        self.audit = audit
        self._request = request
        self._is_logged = is_logged
        self._status: int | None = None

    @property
    def must_wait(self) -> bool:
        """Whether the answer waits for its event."""
        return self.audit.must_wait

    def before_answer(self, response: HttpResponseBase) -> Receipt | None:
        """Log the request before its answer is sent."""
        return self.audit.before_answer(response.status_code, route=self._route)

    def replaced(self) -> None:
        """Log that the client got another answer, because the event was not kept in time."""
        self.audit.replaced(_UNAVAILABLE, route=self._route)

    def without_answer(self, *, error: BaseException | None = None, disconnected: bool = False) -> None:
        """Log that there was no answer."""
        if self._is_logged:
            self.audit.finish(status=None, route=self._route, error=error, disconnected=disconnected)

    def follow(self, response: HttpResponseBase) -> HttpResponseBase:
        """Log the request when the answer has ended, and return the answer."""
        self._status = response.status_code
        if not isinstance(response, StreamingHttpResponse):
            self.audit.finish(status=self._status, route=self._route, error=getattr(self._request, _ERROR, None))
        elif isinstance(response, FileResponse) and response.file_to_stream is not None:
            # A server may send the file itself; to replace the content would keep it from that.
            closers: list[Callable[[], None]] = response._resource_closers  # type: ignore[attr-defined]
            closers.append(self.finish)
        elif response.is_async:
            response.streaming_content = _AsyncParts(cast("AsyncIterator[bytes]", response.streaming_content), self)
        else:
            response.streaming_content = _Parts(cast("Iterator[bytes]", response.streaming_content), self)
        return response

    def finish(self, *, error: BaseException | None = None, is_whole: bool = True) -> None:
        """Log the request now.

        Args:
            error: What broke the answer off.
            is_whole: All of the answer was handed out; otherwise the client did not want the rest.
        """
        with self.audit:
            self.audit.finish(
                status=self._status, route=self._route, error=error, disconnected=not is_whole, complete=is_whole
            )

    @property
    def _route(self) -> str | None:
        match = self._request.resolver_match
        return f"/{match.route}" if match is not None else None


class _Parts(Iterator[bytes]):
    """Hands out the parts of an answer, each made within the audit context of the request.

    Args:
        parts: The parts.
        end: Logs the request.
    """

    def __init__(self, parts: Iterator[bytes], end: RequestEnd) -> None:
        self._parts = parts
        self._end = end

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        try:
            with self._end.audit:
                return next(self._parts)
        except StopIteration:
            self._end.finish()
            raise
        except BaseException as exc:
            self._end.finish(error=exc)
            raise

    def close(self) -> None:
        """End early: the client does not want the rest."""
        self._end.finish(is_whole=False)


class _AsyncParts(AsyncIterator[bytes]):
    """Does the same for the answer of an asynchronous view; arguments as there."""

    def __init__(self, parts: AsyncIterator[bytes], end: RequestEnd) -> None:
        self._parts = aiter(parts)
        self._end = end

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            with self._end.audit:
                return await anext(self._parts)
        except StopAsyncIteration:
            self._end.finish()
            raise
        except asyncio.CancelledError:
            self._end.finish(is_whole=False)
            raise
        except BaseException as exc:
            self._end.finish(error=exc)
            raise

    def close(self) -> None:
        """End early: the client does not want the rest."""
        self._end.finish(is_whole=False)
