"""Turns the values of model fields into what is compared and into what an event shows."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import BinaryField, DateTimeField, DecimalField, Field, FileField, JSONField, Model
from django.utils.duration import duration_iso_string
from django.utils.timezone import is_naive, make_aware

from telemetry.integrations.shown_values import MAX_CHARACTERS, binary_digest, bounded_text

_PLAIN = (bool, int, float, Decimal, date, time, UUID)


def is_expression(value: object) -> bool:
    """Return whether the database computes a value, so that only the database knows it."""
    return hasattr(value, "resolve_expression")


def stored_value(column: Field[Any, Any], value: Any) -> Any:  # noqa: PLR0911 - a case for each kind
    """Return a value as the database returns it, so that it can be compared with what was there before.

    A program may assign ``"9.90"`` to a decimal field, or a date without a zone: neither is a change if the row says the same.
    """
    if isinstance(value, Model):
        value = getattr(value, column.target_field.attname)  # type: ignore[attr-defined]  # only a relation takes a model
    if isinstance(column, FileField):
        return str(getattr(value, "name", value) or "")
    if value is None:
        return None
    if isinstance(column, JSONField):
        return json.loads(json.dumps(value, cls=column.encoder))
    if isinstance(column, BinaryField):
        return bytes(column.to_python(value))
    value = column.to_python(value)
    if isinstance(column, DecimalField) and isinstance(value, Decimal) and value.is_finite():
        return value.quantize(Decimal(1).scaleb(-column.decimal_places), context=column.context)
    if isinstance(column, DateTimeField) and isinstance(value, datetime) and settings.USE_TZ and is_naive(value):
        return make_aware(value)
    return value


def shown_value(value: Any) -> Any:
    """Return a value as an event shows it: JSON of a bounded size, with a digest in the place of what is long."""
    if value is None or isinstance(value, _PLAIN):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, str):
        return bounded_text(str(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return binary_digest(value)
    if isinstance(value, timedelta):
        return duration_iso_string(value)
    if isinstance(value, dict | list | tuple):
        text = json.dumps(value, default=str, ensure_ascii=False)
        return json.loads(text) if len(text) <= MAX_CHARACTERS else bounded_text(text)
    return bounded_text(str(value))


def shown_id(key: Any) -> Any:
    """Return a primary key as ``entity_id``; one of several columns as a JSON array."""
    if isinstance(key, tuple):
        return json.dumps(key, default=str, separators=(",", ":"))
    return key if isinstance(key, int | str | UUID) else str(key)
