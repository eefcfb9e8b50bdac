"""From any JSON-like value to JSON bytes; whatever JSON cannot say exactly is refused by path, never by value."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec
import orjson
from pydantic import BaseModel

from telemetry.exceptions import EventError

_CONTAINERS = (Mapping, list, tuple, set, frozenset)
_LEAVES = frozenset((str, int, bool, type(None), bytes, bytearray))
_TEXT = frozenset((str,))
_MAX_KEY_IN_PATH = 64
_PLAIN_ONLY = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def encode_exact(value: Any) -> bytes:
    """Return a value as JSON that says the same.

    Raises:
        NotExactError: JSON cannot say it exactly: NaN, infinity, or keys that fall together when written as text.
        TypeError: It is, or holds, what JSON does not know; so do the other errors of ``msgspec.json.encode``.
    """
    try:
        # Of plain types only, this refuses every key that is no text, and writes null for NaN and infinity: so it needs
        # no second look at a value that makes no null.
        written = orjson.dumps(value, option=_PLAIN_ONLY)
    except TypeError:
        written = _encode(value)
    else:
        # Backwards, since CPython looks for a few bytes two to three times as fast that way.
        if written.rfind(b"null") < 0:
            return written
    require_exact(value)
    return written


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


def require_exact(value: Any) -> None:
    """Raise ``EventError`` if encoding ``value`` silently changed it: NaN, infinity, or keys that fall together.

    Call it on a value that could be encoded; so it is finite in depth.
    """
    stack = [value]
    for node in stack:
        kind = type(node)
        if kind is dict:
            if not _TEXT.issuperset(map(type, node)):
                _require_distinct(node)
            _require_exact_children(node.values(), stack)
        elif kind is list:
            _require_exact_children(node, stack)
        elif kind not in _LEAVES:
            _require_exact_leaf(node, stack)


def _require_exact_children(children: Collection[Any], stack: list[Any]) -> None:
    if _LEAVES.issuperset(map(type, children)):
        return
    for child in children:
        kind = type(child)
        if kind is float:
            if not math.isfinite(child):
                raise NotExactError
        elif kind not in _LEAVES:
            stack.append(child)


def explain(value: Any, root: str) -> EventError:
    """Return the error for a value that cannot be encoded or is not exact: the path of the first unfit part."""
    for path, reason in _unfit_parts(value, root, ()):
        return EventError(f"{path} {reason}; log only JSON-like values")
    return EventError(f"{root} cannot be written as JSON; log only JSON-like values")


_encode = msgspec.json.Encoder(enc_hook=jsonable).encode


class NotExactError(ValueError):
    """The encoded value would not say the same."""


def _require_exact_leaf(node: Any, stack: list[Any]) -> None:
    if isinstance(node, float | Decimal):
        if not math.isfinite(node):
            raise NotExactError
    elif isinstance(node, tuple | set | frozenset | list):
        stack.extend(node)
    elif isinstance(node, dict):
        _require_distinct(node)
        stack.extend(node.values())
    else:
        plain = msgspec.to_builtins(node, enc_hook=jsonable)
        if type(plain) in (dict, list, float):
            stack.append(plain)


def _require_distinct(node: dict[Any, Any]) -> None:
    names = msgspec.json.decode(msgspec.json.encode(dict.fromkeys(node), enc_hook=jsonable))
    if len(names) != len(node):
        raise NotExactError


def _unfit_parts(value: Any, path: str, parents: tuple[int, ...]) -> Iterator[tuple[str, str]]:
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
        for name, child in value.items():
            yield from _unfit_parts(child, f"{path}.{_shown(name)}", below)
    else:
        for index, child in enumerate(value):
            yield from _unfit_parts(child, f"{path}[{index}]", below)


_MAX_DEPTH = 200


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
        yield path, "has keys that fall together when written as text"
    except (TypeError, ValueError, NotImplementedError):
        return


def _unfit_leaf(value: Any) -> str | None:
    if isinstance(value, str):
        return "holds a lone surrogate" if _has_surrogate(value) else None
    if isinstance(value, float | Decimal):
        return None if math.isfinite(value) else "is NaN or infinite"
    if isinstance(value, _CONTAINERS):
        return None
    return f"is of type {type(value).__name__}" if _cannot_encode(value) else None


def _cannot_encode(value: Any) -> bool:
    try:
        msgspec.json.encode(value, enc_hook=jsonable)
    except Exception:  # noqa: BLE001 - a value's own code may raise anything; the answer is the same
        return True
    return False


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _shown(name: object) -> str:
    text = str(name) if isinstance(name, str | int) else type(name).__name__
    return text.encode("ascii", "backslashreplace").decode()[:_MAX_KEY_IN_PATH]
