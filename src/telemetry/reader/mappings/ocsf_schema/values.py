"""Fits values into the types of OCSF; a value that does not fit is left out instead of being bent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any

from telemetry.reader.mappings.ocsf_schema.published import Attribute

_MAX_TEXT = 65_535
_LENGTHS = MappingProxyType({"file_hash": 64, "resource_uid": 64, "ip": 40, "mac": 32, "subnet": 42})
"""Characters that the longest text of a type may have; source: https://schema.ocsf.io/1.3.0/data_types."""
_FORMS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "email": re.compile(r"[a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+", re.ASCII),
        "hostname": re.compile(r"(?!-)[a-zA-Z0-9-]{1,63}(?<!-)(\.(?!-)[a-zA-Z0-9-]{1,63}(?<!-))*", re.ASCII),
        "mac": re.compile(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", re.ASCII),
        "uuid": re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII),
        "datetime": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII),
    }
)
_NUMBER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_MAX_PORT = 65_535
_INTEGER_LIMIT = 1 << 63
_MILLISECONDS = range(10**11, 10**14)
"""Integers that can only mean milliseconds: the years 1973 to 5138."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRUTHS = {"true": True, "false": False}


def fit(value: Any, attribute: Attribute) -> Any:
    """Return a value as an attribute can have it, or None if it does not fit.

    Numbers become texts and texts of digits numbers, where the attribute wants them; RFC 3339 with an offset becomes
    milliseconds since the epoch. A number that the attribute does not list does not fit.

    Args:
        value: JSON value.
        attribute: An attribute that is no object.
    """
    if not attribute.array:
        return _fit(value, attribute)
    values = value if isinstance(value, list) else [value]
    fitting = [found for item in values if (found := _fit(item, attribute)) is not None]
    return fitting or None


def milliseconds(moment: datetime) -> int:
    """Return ``timestamp_t``: milliseconds since the epoch, rounded down."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000


def _fit(value: Any, attribute: Attribute) -> Any:
    of_type: Callable[[Any, Attribute], Any] = _FITS.get(attribute.type, _text)
    return of_type(value, attribute)


def _anything(value: Any, _: Attribute) -> Any:
    return value


def _truth(value: Any, _: Attribute) -> bool | None:
    if isinstance(value, bool):
        return value
    return _TRUTHS.get(value) if isinstance(value, str) else None


def _fraction(value: Any, _: Attribute) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _number(value: Any, attribute: Attribute) -> int | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        return None
    if attribute.enum and str(value) not in attribute.enum:
        return None
    return None if attribute.type == "port" and not 0 <= value <= _MAX_PORT else value


def _timestamp(value: Any, _: Attribute) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        # Seconds and nanoseconds look like other years: better no time than a wrong one.
        return value if value in _MILLISECONDS else None
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    # Without an offset nobody knows which moment it is.
    return milliseconds(moment) if moment.tzinfo else None


def _address(value: Any, _: Attribute) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        address = str(ip_address(value))
    except ValueError:
        return None
    return address if len(address) <= _LENGTHS["ip"] else None


def _text(value: Any, attribute: Attribute) -> str | None:
    kind = attribute.type
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int):
        value = str(value) if -_INTEGER_LIMIT <= value < _INTEGER_LIMIT else None
    if not isinstance(value, str) or not value or len(value) > _LENGTHS.get(kind, _MAX_TEXT):
        return None
    form = _FORMS.get(kind)
    return value if form is None or form.fullmatch(value) else None


_FITS: Mapping[str, Callable[[Any, Attribute], Any]] = MappingProxyType(
    {
        "json": _anything,
        "boolean": _truth,
        "float": _fraction,
        "integer": _number,
        "long": _number,
        "port": _number,
        "timestamp": _timestamp,
        "ip": _address,
    }
)
"""Types that are no plain texts."""
