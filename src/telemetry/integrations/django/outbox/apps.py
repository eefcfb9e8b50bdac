"""Registers the outbox with Django."""

from __future__ import annotations

from django.apps import AppConfig


class OutboxAppConfig(AppConfig):
    """The app ``telemetry.integrations.django.outbox``."""

    name = "telemetry.integrations.django.outbox"
    label = "telemetry_outbox"
    verbose_name = "Audit outbox"
    default_auto_field = "django.db.models.BigAutoField"
