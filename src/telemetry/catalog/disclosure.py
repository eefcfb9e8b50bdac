"""Applies the marks of a payload class to a payload: what is personal or secret is replaced or left out."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from telemetry.catalog.marks import Personal, Secret, Show
from telemetry.exceptions import ConfigurationError, EventError, Problem
from telemetry.format import canonical_base64

MASK = "****"
_LAST = 4
_SHORT = 8
"""A text of fewer characters is masked as a whole: its last four would be half of it."""
_PURPOSE = b"telemetry personal v1\x00"
_DROPPED = object()
_LISTS = (list, tuple, set, frozenset, Collection)

_encode = msgspec.json.Encoder(order="deterministic").encode


class Rule:
    """What becomes of one place of a payload, and of what is below it."""

    __slots__ = ()

    def apply(self, value: Any, secret: bytes | None, path: str) -> Any:
        """Return what is written; containers are changed in place.

        Args:
            value: The value, of plain types.
            secret: Key of the HMAC, where there is one.
            path: Where it is, for errors.

        Raises:
            EventError: It is a secret that must not be given.
        """
        raise NotImplementedError


class Marked(Rule):
    """A value that has a mark.

    Args:
        mark: The mark.
    """

    __slots__ = ("mark",)

    def __init__(self, mark: Personal | Secret) -> None:
        self.mark = mark

    def apply(self, value: Any, secret: bytes | None, path: str) -> Any:
        """Return what is shown of the value."""
        if value is None:
            return None
        if isinstance(self.mark, Personal):
            return _shown(value, self.mark.show, secret)
        if self.mark.given == "refuse":
            message = f"{path} is a secret, which is never logged; leave it out"
            raise EventError(message)
        return _DROPPED


class Members(Rule):
    """An object of which some members have rules.

    Args:
        of: The rules by the names that are written.
    """

    __slots__ = ("of",)

    def __init__(self, of: dict[str, Rule]) -> None:
        self.of = of

    def apply(self, value: Any, secret: bytes | None, path: str) -> Any:
        """Change the members that have rules."""
        if isinstance(value, dict):
            for name, rule in self.of.items():
                if name in value:
                    shown = rule.apply(value[name], secret, f"{path}.{name}")
                    if shown is _DROPPED:
                        del value[name]
                    else:
                        value[name] = shown
        return value


class Each(Rule):
    """A list, or an object of any names, whose every value has the rule.

    Args:
        rule: The rule of a value.
    """

    __slots__ = ("rule",)

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def apply(self, value: Any, secret: bytes | None, path: str) -> Any:
        """Change each value."""
        if isinstance(value, dict):
            shown = {name: self.rule.apply(child, secret, f"{path}[...]") for name, child in value.items()}
            return {name: child for name, child in shown.items() if child is not _DROPPED}
        if isinstance(value, list):
            items = [self.rule.apply(child, secret, f"{path}[...]") for child in value]
            return [child for child in items if child is not _DROPPED]
        return value


class AnyOf(Rule):
    """A value of one of several types; every rule is tried, so that none is missed.

    Args:
        rules: The rules of the types.
    """

    __slots__ = ("rules",)

    def __init__(self, rules: list[Rule]) -> None:
        self.rules = rules

    def apply(self, value: Any, secret: bytes | None, path: str) -> Any:
        """Apply the rules one after the other."""
        for rule in self.rules:
            value = rule.apply(value, secret, path)
            if value is _DROPPED:
                break
        return value


def _shown(value: Any, show: Show, secret: bytes | None) -> Any:
    match show:
        case "keep":
            return value
        case "drop":
            return _DROPPED
        case "hmac":
            return hidden(value, secret)
        case "last4" if isinstance(value, str | int | float) and len(str(value)) >= _SHORT:
            return MASK + str(value)[-_LAST:]
        case _:
            return MASK


def hidden(value: Any, secret: bytes | None) -> str:
    """Return the HMAC that stands for a value: ``hmac:`` and base64url(HMAC-SHA-256).

    Raises:
        EventError: There is no secret.
    """
    if secret is None:
        message = 'a field with show="hmac" needs audit_config.key_hmac_secret'
        raise EventError(message)
    text = value.encode() if isinstance(value, str) else _encode(value)
    return "hmac:" + canonical_base64.encode_url(hmac.new(secret, _PURPOSE + text, hashlib.sha256).digest()).decode()


def rule_of(kind: type[Any]) -> Rule | None:
    """Return the rule of a payload class; None if it has no mark.

    Raises:
        ConfigurationError: An annotation cannot be read, or a class with marks is written without names.
    """
    return _Reader().of(kind)


def needs_secret(rule: Rule | None) -> bool:
    """Return whether a rule writes an HMAC."""
    return any(isinstance(mark, Personal) and mark.show == "hmac" for mark in marks_of(rule))


def marks_of(rule: Rule | None) -> Iterator[Personal | Secret]:
    """Yield the marks of a rule and of those below it, each once."""
    waiting: list[Rule] = [rule] if rule is not None else []
    seen: set[int] = set()
    for one in waiting:
        if id(one) in seen:
            continue
        seen.add(id(one))
        match one:
            case Marked():
                yield one.mark
            case Members():
                waiting.extend(one.of.values())
            case Each():
                waiting.append(one.rule)
            case AnyOf():
                waiting.extend(one.rules)


class _Reader:
    """Reads the annotations of classes; a class that contains itself gets one rule."""

    def __init__(self) -> None:
        self._known: dict[Any, Members] = {}

    def of(self, hint: Any, metadata: Collection[Any] = ()) -> Rule | None:
        """Return the rule of an annotation."""
        origin = get_origin(hint)
        if origin is Annotated:
            return self.of(hint.__origin__, (*metadata, *hint.__metadata__))
        marks = [mark for mark in metadata if isinstance(mark, Personal | Secret)]
        if marks:
            return Marked(next((mark for mark in marks if isinstance(mark, Secret)), marks[0]))
        if origin in (Union, types.UnionType):
            return _one_of([rule for rule in map(self.of, get_args(hint)) if rule is not None])
        if origin is not None and isinstance(origin, type):
            return self._of_container(origin, get_args(hint))
        return self._of_class(hint) if isinstance(hint, type) else None

    def _of_container(self, origin: type[Any], arguments: tuple[Any, ...]) -> Rule | None:
        if not issubclass(origin, _LISTS) and not issubclass(origin, Mapping):
            return self._of_class(origin)
        values = arguments[1:] if issubclass(origin, Mapping) else arguments
        rule = _one_of([rule for rule in map(self.of, values) if rule is not None])
        return None if rule is None else Each(rule)

    def _of_class(self, kind: type[Any]) -> Rule | None:
        if kind in self._known:
            return self._known[kind]
        fields = _fields_of(kind)
        if fields is None:
            return None
        rule = self._known[kind] = Members({})
        for name, (hint, metadata) in fields.items():
            below = self.of(hint, metadata)
            if below is not None:
                rule.of[name] = below
        if not any(True for _ in marks_of(rule)):
            del self._known[kind]
            return None
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__struct_config__.array_like:
            raise ConfigurationError(Problem(kind.__name__, "is written without names, so its marks cannot be applied"))
        return rule


def _one_of(rules: list[Rule]) -> Rule | None:
    return AnyOf(rules) if len(rules) > 1 else next(iter(rules), None)


def _fields_of(kind: type[Any]) -> dict[str, tuple[Any, Collection[Any]]] | None:
    """Return annotation and metadata of each field by the name that is written; None if the class has no fields."""
    pydantic = getattr(kind, "model_fields", None)
    if isinstance(pydantic, dict):
        return {name: (field.annotation, tuple(field.metadata)) for name, field in pydantic.items()}
    is_struct = issubclass(kind, msgspec.Struct)
    if not (is_struct or dataclasses.is_dataclass(kind) or typing.is_typeddict(kind)):
        return None
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except NameError as exc:
        problem = Problem(
            kind.__name__, f"names {exc.name!r}, which is not known in its module", "move it to the module"
        )
        raise ConfigurationError(problem) from exc
    written = {one.name: one.encode_name for one in msgspec.structs.fields(kind)} if is_struct else {}
    return {written.get(name, name): (hint, ()) for name, hint in hints.items() if not is_struct or name in written}
