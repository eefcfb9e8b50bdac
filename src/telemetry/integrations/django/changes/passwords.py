"""Logs that a user got another password: Django has no signal for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Model

from telemetry.integrations.django.changes.delivery import log_change
from telemetry.integrations.django.changes.values import shown_id


def note_new_password(instance: Model, changes: Mapping[str, Any], *, using: str) -> None:
    """Log the change of a password, if a save was one.

    A hash that Django renews at a login, because the hasher has more rounds now, is none: the object then has no raw password.
    """
    if "password" not in changes or not isinstance(instance, AbstractBaseUser):
        return
    if instance._password is None and instance.has_usable_password():  # type: ignore[attr-defined]
        return
    log_change(
        "user.password_changed",
        {},
        using=using,
        entity="user",
        entity_id=shown_id(instance.pk),
        action="change_password",
        outcome="success",
    )
