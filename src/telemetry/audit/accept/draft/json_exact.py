"""Encodes any JSON-like value as JSON that says exactly the same, or refuses it by place, never by value or name."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import orjson
from pydantic import BaseModel

from telemetry.exceptions import EventError

_CONTAINERS = (Mapping, list, tuple, set, frozenset)
_LEAVES = frozenset((str, int, bool, type(None), bytes, bytearray))
_TEXT = frozenset((str,))
_MAX_DEPTH = 200
_PLAIN_ONLY = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


class NotExactError(ValueError):
    """The encoded value would not say the same as the original."""


class ZonelessTimeError(NotExactError):
    """The value contains a ``datetime`` without a time zone."""


def jsonable(value: Any) -> Any:
    """Return a value that JSON knows for one of another library's types; used as encoder hook."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    # Subclasses of plain types come from web frameworks and from NumPy.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    raise NotImplementedError


_encode = msgspec.json.Encoder(enc_hook=jsonable).encode


def is_typed_event(value: Any) -> bool:
    """Return whether a value is an object of ``telemetry.catalog.Event``, which is not loaded for the sake of this question."""
    return getattr(type(value), "is_telemetry_event", False) is True


def encode_exact(value: Any) -> bytes:
    """Return a value as JSON that says the same.

    A ``datetime`` without a time zone is written with the zone of this process: Python's own conversions take it for local
    time, and a reader elsewhere could not tell.

    Raises:
        NotExactError: JSON cannot express it exactly: NaN, infinity, or keys that are equal when written as text.
        TypeError: It is, or contains, a type that JSON does not have; so do the other errors of ``msgspec.json.encode``.
    """
    try:
        # Of plain types only, orjson refuses every key that is not a text, and writes null for NaN and infinity. So JSON
        # without a null needs no second look at the value.
        encoded = orjson.dumps(value, option=_PLAIN_ONLY)
    except TypeError:
        if is_typed_event(value):
            raise NotExactError from None  # as it is, it may have what its class says is never sealed
        encoded = _encode(value)
    else:
        # Backwards, since CPython finds a few bytes two to three times as fast that way.
        if encoded.rfind(b"null") < 0:
            return encoded
    try:
        require_exact(value)
    except ZonelessTimeError:
        return _encode(_with_zones(msgspec.to_builtins(value, builtin_types=(datetime,), enc_hook=jsonable)))
    return encoded


def require_exact(value: Any) -> None:
    """Check that encoding a value did not change it silently.

    Args:
        value: A value that could be encoded; so its depth is finite.

    Raises:
        NotExactError: It contains NaN or infinity, or keys that are equal when written as text.
        ZonelessTimeError: All else is exact, but it contains a ``datetime`` without a time zone.
    """
    has_zoneless_time = False
    stack = [value]
    # The list grows while it is walked: a value nested deeply must not exhaust the interpreter's stack.
    for node in stack:
        kind = type(node)
        if kind is dict:
            if not _TEXT.issuperset(map(type, node)):
                _require_distinct(node)
            _require_exact_children(node.values(), stack)
        elif kind is list:
            _require_exact_children(node, stack)
        elif kind is datetime:
            has_zoneless_time = has_zoneless_time or node.tzinfo is None
        elif kind not in _LEAVES:
            _require_exact_leaf(node, stack)
    if has_zoneless_time:
        raise ZonelessTimeError


def explain(value: Any, root: str) -> EventError:
    """Return the error for a value that cannot be encoded or is not exact.

    Args:
        value: The value.
        root: The argument it was passed as; the path begins with it.

    Returns:
        An error that gives the place of the first unfit part and the reason: ``payload.#2[0]`` is the first item of the
        second member. Names of members are values too: an application may have a person's name in one.
    """
    if is_typed_event(value):
        return EventError(f"{root} is a typed event; give its class to the catalogue of this Telemetry, and use emit()")
    try:
        path, reason = next(_unfit_parts(value, root, ()), (root, "cannot be written as JSON"))
    except Exception:  # noqa: BLE001 - a value's own code may raise anything, and quote the value
        path, reason = root, "has a value whose own code raises an error"
    hint = " (#1 is the first member of an object)" if "#" in path else ""
    return EventError(f"{path} {reason}; log only JSON-like values{hint}")


def _require_exact_children(children: Collection[Any], stack: list[Any]) -> None:
    # Most containers hold plain leaves only: one look at the types is enough.
    if _LEAVES.issuperset(map(type, children)):
        return
    for child in children:
        kind = type(child)
        if kind is float:
            if not math.isfinite(child):
                raise NotExactError
        elif kind not in _LEAVES:
            stack.append(child)


def _require_exact_leaf(node: Any, stack: list[Any]) -> None:
    if isinstance(node, float | Decimal):
        if not _is_finite(node):
            raise NotExactError
    elif isinstance(node, tuple | set | frozenset | list):
        stack.extend(node)
    elif isinstance(node, dict):
        _require_distinct(node)
        stack.extend(node.values())
    else:
        # A data class, a model or another object: what the encoder makes of it is looked at instead.
        plain = msgspec.to_builtins(node, builtin_types=(datetime,), enc_hook=jsonable)
        if type(plain) in (dict, list, float, datetime):
            stack.append(plain)


def _with_zones(value: Any) -> Any:
    """Return a value of plain types in which each ``datetime`` has a time zone."""
    if isinstance(value, datetime):
        return value.astimezone()
    if isinstance(value, dict):
        return {name: _with_zones(child) for name, child in value.items()}
    return [_with_zones(child) for child in value] if isinstance(value, list | tuple | set | frozenset) else value


def _require_distinct(node: dict[Any, Any]) -> None:
    """Check that no two keys are written as the same text, such as ``1`` and ``"1"``."""
    names = msgspec.json.decode(msgspec.json.encode(dict.fromkeys(node), enc_hook=jsonable))
    if len(names) != len(node):
        raise NotExactError


def _unfit_parts(value: Any, path: str, parents: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """Yield path and reason of each part that cannot be encoded exactly; slow, for the error alone."""
    if id(value) in parents:
        yield path, "contains itself"
        return
    reason = _unfit_leaf(value)
    if reason:
        yield path, reason
        return
    if not isinstance(value, _CONTAINERS):
        return
    if len(parents) > _MAX_DEPTH:
        yield path, "is nested too deeply"
        return
    below = (*parents, id(value))
    if isinstance(value, Mapping):
        yield from _unfit_keys(value, path)
        for number, child in enumerate(value.values(), 1):
            yield from _unfit_parts(child, f"{path}.#{number}", below)
    else:
        for index, child in enumerate(value):
            yield from _unfit_parts(child, f"{path}[{index}]", below)


def _unfit_keys(value: Mapping[Any, Any], path: str) -> Iterator[tuple[str, str]]:
    for name in value:
        if isinstance(name, str):
            if _has_surrogate(name):
                yield path, "has a key with a lone surrogate"
        elif not isinstance(name, int | float) and _cannot_encode({name: None}):
            yield path, f"has a key of type {type(name).__name__}"
    try:
        _require_distinct(dict(value))
    except NotExactError:
        yield path, "has keys that are equal when written as text"
    except (TypeError, ValueError, NotImplementedError):
        return


def _unfit_leaf(value: Any) -> str | None:
    if isinstance(value, str):
        return "contains a lone surrogate" if _has_surrogate(value) else None
    if isinstance(value, float | Decimal):
        return None if _is_finite(value) else "is NaN or infinite"
    if isinstance(value, _CONTAINERS):
        return None
    return f"is of type {type(value).__name__}" if _cannot_encode(value) else None


def _is_finite(value: float | Decimal) -> bool:
    # ``math.isfinite`` raises for a signaling NaN.
    return value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)


def _cannot_encode(value: Any) -> bool:
    try:
        msgspec.json.encode(value, enc_hook=jsonable)
    except Exception:  # noqa: BLE001 - a value's own code may raise anything; the answer is the same
        return True
    return False


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
