"""Answers requests to the shop."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator

from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from telemetry.current import current_telemetry
from tests.support.django_shop.models import Customer


def order(request: HttpRequest, number: str) -> HttpResponse:
    return HttpResponse(number)


async def order_async(request: HttpRequest, number: str) -> HttpResponse:
    await Customer.objects.acreate(name=number)
    return HttpResponse(number)


def visit(request: HttpRequest) -> HttpResponse:
    Customer.objects.create(name="visitor")
    return HttpResponse("welcome")


def log_in(request: HttpRequest) -> HttpResponse:
    user = authenticate(request, username=request.POST["username"], password=request.POST["password"])
    if user is None:
        return HttpResponse("no", status=401)
    login(request, user)
    return HttpResponse("yes")


def log_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse("bye")


def with_token(request: HttpRequest) -> HttpResponse:
    # As Django REST framework does it: the view authenticates.
    request.user = User.objects.get(username=request.headers["Authorization"])
    Customer.objects.create(name="by token")
    return HttpResponse("ok")


class ByHeader(BaseAuthentication):
    """Believes the header."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        user = User.objects.filter(username=request.headers.get("Authorization", "")).first()
        return None if user is None else (user, None)

    def authenticate_header(self, request: Request) -> str:
        return "Name"


class Visits(APIView):
    """A view of Django REST framework."""

    authentication_classes = (ByHeader,)
    permission_classes = (IsAuthenticated,)

    def post(self, request: Request) -> Response:
        Customer.objects.create(name="by API")
        return Response({"ok": True})


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def broken(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError


async def broken_async(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError


def _parts() -> Iterator[str]:
    yield "a"
    current_telemetry().audit.log("part.sent", {})
    yield "b"


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(_parts())


def stream_async(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[str]:
        for part in ("a", "b"):
            yield part

    return StreamingHttpResponse(parts())


def stream_broken(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[str]:
        yield "a"
        raise ZeroDivisionError

    return StreamingHttpResponse(parts())


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(io.BytesIO(b"content"), filename="a.txt")


def mail(request: HttpRequest) -> HttpResponse:
    current_telemetry().audit.log("mail.sent", {})
    return HttpResponse("sent")
