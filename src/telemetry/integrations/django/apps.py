"""Registers the app with Django, and begins to audit once all models are known."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db.models import Model

from telemetry.integrations.django.changes.spec import ModelSpec, registry
from telemetry.integrations.django.process import process


class TelemetryAuditConfig(AppConfig):
    """The app ``telemetry.integrations.django``."""

    name = "telemetry.integrations.django"
    label = "telemetry_audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        """Read the settings, and audit what they and the decorators name.

        Raises:
            ImproperlyConfigured: Something in the settings or in a decorator is wrong.
        """
        # They look at models, which are not there when this module is loaded.
        from telemetry.integrations.django import accounts, commands, lifespan  # noqa: PLC0415
        from telemetry.integrations.django.changes.hooks import install_hooks  # noqa: PLC0415
        from telemetry.integrations.django.changes.relations import follow_relations  # noqa: PLC0415

        for label, spec in process.settings.models.items():
            registry.add(_model(label), spec)
        if process.settings.accounts and apps.is_installed("django.contrib.auth"):
            accounts.audit_accounts()
        for model in apps.get_models():
            found = registry.of(model)
            if found is not None:
                _require_fields(model, found)
        install_hooks()
        follow_relations()
        commands.install()
        lifespan.install()


def _model(label: str) -> type[Model]:
    try:
        return apps.get_model(label)
    except (LookupError, ValueError) as exc:
        message = f'TELEMETRY["models"]: there is no model {label!r}; name it as "app.Model"'
        raise ImproperlyConfigured(message) from exc


def _require_fields(model: type[Model], spec: ModelSpec) -> None:
    """Refuse a name with a slip in it: a field that should be masked would be logged in the clear."""
    names = spec.mask | spec.exclude | (spec.m2m or frozenset())
    known = {field.name for field in model._meta.get_fields()} | {
        field.attname for field in model._meta.concrete_fields
    }
    for name in sorted(names - known):
        message = f"{model._meta.label} has no field {name!r}, which its audit names"
        raise ImproperlyConfigured(message) from FieldDoesNotExist(name)
