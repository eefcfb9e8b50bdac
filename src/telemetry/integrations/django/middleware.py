"""Audits requests: opens the context that names who acts, and logs one event for each request that the rules want."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import Any, Protocol

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from telemetry.integrations.django.changes.spec import APP
from telemetry.integrations.django.current_request import aload_user, attach, authenticated
from telemetry.integrations.django.process import process
from telemetry.integrations.django.request_end import RequestEnd, remember_error
from telemetry.integrations.web.request_audit import UNKEPT


class GetResponse(Protocol):
    """The rest of the application, as Django hands it to a middleware."""

    def __call__(self, request: HttpRequest, /) -> Any:
        """Return the answer, or in an event loop something to await."""


class AuditMiddleware:
    """Belongs first into ``MIDDLEWARE``; it serves WSGI and ASGI without a change of threads.

    Args:
        get_response: The rest of the application.

    Raises:
        ImproperlyConfigured: The app is not installed, or the settings are wrong.
        ConfigurationError: The configuration cannot work.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        if not apps.is_installed(APP):
            message = f"AuditMiddleware needs its app: add {APP!r} to INSTALLED_APPS"
            raise ImproperlyConfigured(message)
        self._get_response = get_response
        self._web = process.web
        self._logs_requests = process.settings.requests
        got_request_exception.connect(_remember_error, dispatch_uid="telemetry")
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)
            # Only where it is a coroutine: a plain method would cost each request a change of threads.
            self.process_view = self._load_user

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request."""
        return self._answer_async(request) if iscoroutinefunction(self) else self._answer(request)

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        process.try_to_start()
        end = self._begin(request)
        with end.audit:
            try:
                response: HttpResponseBase = self._get_response(request)
            except BaseException as exc:
                end.without_answer(error=exc)
                raise
            if not self._logs_requests:
                return response
            if end.must_wait and not end.audit.wait(end.before_answer(response)):
                return _replaced(response, end)
            return end.follow(response)

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        await process.atry_to_start()
        end = self._begin(request)
        with end.audit:
            try:
                response: HttpResponseBase = await self._get_response(request)
            except asyncio.CancelledError:
                end.without_answer(disconnected=True)
                raise
            except BaseException as exc:
                end.without_answer(error=exc)
                raise
            if not self._logs_requests:
                return response
            if end.must_wait and not await end.audit.wait_async(end.before_answer(response)):
                return _replaced(response, end)
            return end.follow(response)

    def _begin(self, request: HttpRequest) -> RequestEnd:
        audit = self._web.begin(
            request,
            method=request.method or "",
            path=request.path_info,
            peer=request.META.get("REMOTE_ADDR") or None,
            header=partial(_header, request),
            authenticated=partial(authenticated, request),
        )
        attach(request, audit)
        return RequestEnd(audit, request, is_logged=self._logs_requests)

    async def _load_user(self, request: HttpRequest, *_: Any) -> None:
        try:
            await aload_user(request)
        except Exception as exc:  # noqa: BLE001 - a session that cannot be read is for the view to find; counted and logged
            self._web.recorder.failed(exc)


def _replaced(response: HttpResponseBase, end: RequestEnd) -> HttpResponse:
    response.close()
    end.replaced()
    return HttpResponse(UNKEPT, status=503, content_type="text/plain")


def _header(request: HttpRequest, name: str) -> str | None:
    value: str | None = request.META.get(f"HTTP_{name.upper().replace('-', '_')}")
    return value


def _remember_error(*, request: HttpRequest | None = None, **_: Any) -> None:
    if request is not None:
        remember_error(request, sys.exc_info()[1])
