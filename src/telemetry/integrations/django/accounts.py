"""Logs logins, logouts and failed logins, and audits users and groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models import Model
from django.http import HttpRequest

from telemetry.integrations.django.changes.spec import ModelSpec, registry
from telemetry.integrations.django.current_request import user_id_of, user_seen
from telemetry.integrations.django.process import process

_NAMES = ("username", "email", "user", "login")


def audit_accounts() -> None:
    """Follow the signals of logins, and audit the models of users and groups, unless the project says how."""
    user = get_user_model()
    # Each login writes its time: the login is an event of its own.
    excluded = frozenset(field.name for field in user._meta.concrete_fields if field.name == "last_login")
    _audit(user, ModelSpec(exclude=excluded))
    _audit(Group, ModelSpec())
    user_logged_in.connect(_logged_in, dispatch_uid="telemetry")
    user_logged_out.connect(_logged_out, dispatch_uid="telemetry")
    user_login_failed.connect(_login_failed, dispatch_uid="telemetry")


def _audit(model: type[Model], spec: ModelSpec) -> None:
    if registry.of(model) is None:
        registry.add(model, spec)


def _logged_in(*, user: Any, request: HttpRequest | None = None, **_: Any) -> None:
    with process.guarded():
        user_seen(request, user)
        payload = {"username": user.get_username(), "backend": getattr(user, "backend", None)}
        _log("user.login", user_id_of(user), payload, action="login", outcome="success")


def _logged_out(*, user: Any = None, request: HttpRequest | None = None, **_: Any) -> None:
    # Who was not logged in can log out too.
    if user is None:
        return
    with process.guarded():
        user_seen(request, user)
        _log("user.logout", user_id_of(user), {"username": user.get_username()}, action="logout", outcome="success")


def _login_failed(*, credentials: Mapping[str, Any], **_: Any) -> None:
    with process.guarded():
        user: Any = get_user_model()
        names = (user.USERNAME_FIELD, *_NAMES)
        tried = next((credentials[name] for name in names if credentials.get(name)), None)
        _log("user.login_failed", None if tried is None else str(tried), {}, action="login", outcome="denied")


def _log(event_type: str, user_id: Any, payload: dict[str, Any], **fields: Any) -> None:
    process.record(event_type, payload, user_id=user_id, **fields)
