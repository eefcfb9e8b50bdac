"""Names the app."""

from __future__ import annotations

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """The app ``shop``."""

    name = "tests.support.django_shop"
    label = "shop"
    default_auto_field = "django.db.models.BigAutoField"
