"""Turns the values of model fields into what is compared and into what an event shows."""

from __future__ import annotations

import hashlib
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

MASKED = "[masked]"
"""Stands for both values of a field that must not be seen."""

MAX_CHARACTERS = 1_024
_BEGINNING = 64
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
        return _bounded(str(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytes": len(value), "sha256": hashlib.sha256(value).hexdigest()}
    if isinstance(value, timedelta):
        return duration_iso_string(value)
    if isinstance(value, dict | list | tuple):
        text = json.dumps(value, default=str, ensure_ascii=False)
        return json.loads(text) if len(text) <= MAX_CHARACTERS else _bounded(text)
    return _bounded(str(value))


def shown_id(key: Any) -> Any:
    """Return a primary key as ``entity_id``; one of several columns as a JSON array."""
    if isinstance(key, tuple):
        return json.dumps(key, default=str, separators=(",", ":"))
    return key if isinstance(key, int | str | UUID) else str(key)


def _bounded(text: str) -> Any:
    if len(text) <= MAX_CHARACTERS:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return {"characters": len(text), "begin": text[:_BEGINNING], "sha256": digest}
