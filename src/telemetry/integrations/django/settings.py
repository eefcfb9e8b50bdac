"""Reads ``settings.TELEMETRY``: what is logged of a Django project, and with which configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from telemetry.exceptions import TelemetryError
from telemetry.integrations.django.changes.spec import ModelSpec, spec_of
from telemetry.integrations.web.settings import WebOptions, WebSettings
from telemetry.types import TelemetryConfig

Delivery = Literal["on_commit", "transactional"]

MAX_BOUND = 500
"""Rows that are read by their keys in one query: every database takes so many parameters."""

_OWN = frozenset(("telemetry", "config", "requests", "models", "accounts", "bulk_rows", "delivery", "user_id"))
KEYS = _OWN | WebOptions.__annotations__.keys()
"""The keys of ``settings.TELEMETRY``."""

OUTBOX = "telemetry.integrations.django.outbox"

_CALLABLES = ("actor", "session")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """What ``settings.TELEMETRY`` says; every key may be left out.

    Attributes:
        telemetry: Dotted path of a ``Telemetry`` of the project; None creates one.
        config: TOML file, or a ``TelemetryConfig``, or a mapping with the values of one; None for ``TELEMETRY_*`` variables.
        requests: Whether requests are logged, as ``web`` says.
        models: Audited models by their label, and how; more than those that are decorated.
        accounts: Whether logins are logged, and users and groups are audited.
        bulk_rows: A bulk write of more rows is one event.
        delivery: When a change is logged: ``on_commit``, or within the transaction itself through the outbox.
        user_id: Attribute of the user object that identifies the user in events.
        web: Rules about requests.
    """

    telemetry: str | None = None
    config: TelemetryConfig | Mapping[str, Any] | Path | str | None = None
    requests: bool = True
    models: Mapping[str, ModelSpec] = field(default_factory=dict)
    accounts: bool = True
    bulk_rows: int = 100
    delivery: Delivery = "on_commit"
    user_id: str = "pk"
    web: WebSettings = field(default_factory=WebSettings)


def load_settings() -> AuditSettings:
    """Return what the project's settings say.

    Raises:
        ImproperlyConfigured: Something in them is wrong; the message names it.
    """
    given = getattr(settings, "TELEMETRY", {})
    if not isinstance(given, Mapping):
        message = "settings.TELEMETRY must be a dict"
        raise ImproperlyConfigured(message)
    own = {name: value for name, value in given.items() if name in _OWN}
    for name in given:
        if name not in KEYS:
            message = f"settings.TELEMETRY has an unknown key {name!r}; there are {', '.join(sorted(KEYS))}"
            raise ImproperlyConfigured(message)
    if "models" in own:
        own["models"] = _specs(own["models"])
    _check(own)
    return AuditSettings(**own, web=_web_settings({name: given[name] for name in given if name not in _OWN}))


def _specs(given: Any) -> dict[str, ModelSpec]:
    if isinstance(given, str) or not isinstance(given, Mapping | Iterable):
        message = (
            'TELEMETRY["models"] must be a list of labels, such as ["shop.Order"], or a dict with options by label'
        )
        raise ImproperlyConfigured(message)
    named = given if isinstance(given, Mapping) else {label: {} for label in given}
    return {str(label).lower(): spec_of(options) for label, options in named.items()}


def _check(own: dict[str, Any]) -> None:
    rows = own.get("bulk_rows", 1)
    if isinstance(rows, bool) or not isinstance(rows, int) or not 0 <= rows <= MAX_BOUND:
        message = f'TELEMETRY["bulk_rows"] must be a number from 0 to {MAX_BOUND}'
        raise ImproperlyConfigured(message)
    _check_delivery(own.get("delivery", "on_commit"))
    config = own.get("config")
    if config is not None and not isinstance(config, str | Path | Mapping | TelemetryConfig):
        message = 'TELEMETRY["config"] must be a file, a TelemetryConfig or a dict'
        raise ImproperlyConfigured(message)


def _check_delivery(delivery: Any) -> None:
    if delivery not in get_args(Delivery):
        message = f'TELEMETRY["delivery"] must be one of {", ".join(get_args(Delivery))}'
        raise ImproperlyConfigured(message)
    if delivery == "transactional" and OUTBOX not in settings.INSTALLED_APPS:
        message = (
            f'TELEMETRY["delivery"] = "transactional" needs the table of the outbox: add {OUTBOX!r} to INSTALLED_APPS'
        )
        raise ImproperlyConfigured(message)


def _web_settings(options: dict[str, Any]) -> WebSettings:
    for name in _CALLABLES:
        if isinstance(options.get(name), str):
            options[name] = import_string(options[name])
    try:
        return WebSettings(**options)
    except (TypeError, TelemetryError) as exc:
        message = f"settings.TELEMETRY: {exc}"
        raise ImproperlyConfigured(message) from exc
