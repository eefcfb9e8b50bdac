"""Finds out who is logged in to a request, as late as possible and without a trace in the session."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import LazyObject, empty

from telemetry.integrations.django.process import process
from telemetry.integrations.event_loop import in_event_loop
from telemetry.integrations.web.actor import Actor
from telemetry.integrations.web.request_audit import RequestAudit

_ATTRIBUTE = "_telemetry_audit"


def attach(request: HttpRequest, audit: RequestAudit) -> None:
    """Let :func:`user_seen` find the audit of a request."""
    setattr(request, _ATTRIBUTE, audit)


def user_seen(request: HttpRequest | None, user: Any) -> None:
    """Remember who logs in or out, for the event of the request."""
    audit: RequestAudit | None = getattr(request, _ATTRIBUTE, None)
    if audit is not None:
        audit.user_seen(Actor(user_id_of(user)))


def user_id_of(user: Any) -> Any:
    """Return by what events name a user: the primary key, or the attribute that the settings name."""
    return getattr(user, process.settings.user_id)


def authenticated(request: HttpRequest) -> Actor | None:
    """Return who is logged in now: a view, or a framework in it, may have authenticated the request itself."""
    user = _user_of(request)
    return Actor(user_id_of(user)) if user is not None and user.is_authenticated else None


async def aload_user(request: HttpRequest) -> None:
    """Load the user of a request, so that events in an event loop can name them.

    Without a session there is nothing to load.
    """
    session = getattr(request, "session", None)
    load = getattr(request, "auser", None)
    if load is None or session is None or session.session_key is None:
        return
    was_accessed = session.accessed
    await load()
    session.accessed = was_accessed


def _user_of(request: HttpRequest) -> Any:
    user = getattr(request, "user", None)
    if not isinstance(user, LazyObject) or user._wrapped is not empty:
        return user
    for name in ("_cached_user", "_acached_user"):
        if hasattr(request, name):
            return getattr(request, name)
    if in_event_loop():
        return None
    session = getattr(request, "session", None)
    was_accessed = getattr(session, "accessed", False)
    _ = user.pk
    if session is not None:
        # Otherwise the answer would vary with the cookie, and could no longer be cached, because it was audited.
        session.accessed = was_accessed
    return user
