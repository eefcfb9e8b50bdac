"""Checks payloads by classes of msgspec or pydantic, and never repeats a value of the payload in an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec

from telemetry.exceptions import ConfigurationError, EventError, Problem

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

_PATH = re.compile(r"(.*) - at `(key in )?\$(.*)`\Z", re.DOTALL)
# What msgspec says of types and names of the class; everything else may quote the payload.
_SAFE = re.compile(r"Expected `[^`]*`(?:, got `[^`]*`| .*)?\Z|Object missing required field `[^`]*`\Z", re.DOTALL)
_UNFIT = "has a value that the class does not allow"
_UNKNOWN = "has a member that the class does not have"


class Model(Protocol):
    """A class of payloads.

    Attributes:
        kind: The class.
    """

    kind: type[Any]

    def plain(self, value: Any) -> dict[str, Any]:
        """Check a payload and return it as an object of plain types, which belongs to the caller.

        Args:
            value: An object of the class, or what one is made of.

        Raises:
            EventError: It does not fit; the message has the path and never a value.
        """

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the class, with ``$defs`` for those that it contains."""


class StructModel:
    """A class of msgspec, a dataclass or a ``TypedDict``.

    Args:
        kind: The class.
    """

    def __init__(self, kind: type[Any]) -> None:
        self.kind = kind
        self.schema()  # a class that msgspec cannot read is refused where it is declared

    def plain(self, value: Any) -> dict[str, Any]:
        """Check a payload; an object too, since msgspec does not check one that is created in Python."""
        try:
            # A datetime stays one: the encoder adds the time zone that it may lack. What the class does not have, and does
            # not forbid, stays too.
            plain: Any = msgspec.to_builtins(value, builtin_types=(datetime,), enc_hook=_plain_mapping)
            msgspec.convert(plain, self.kind)
        except msgspec.ValidationError as exc:
            raise _misfit(*_explained(str(exc))) from None
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
            # What cannot be written, or code of the value itself, whose error may quote it.
            raise _misfit(_UNFIT) from None
        return cast("dict[str, Any]", plain)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the class."""
        try:
            return msgspec.json.schema(self.kind)
        except (TypeError, NameError) as exc:
            problem = Problem(self.kind.__name__, f"cannot be a payload: {exc}", "use types that JSON has")
            raise ConfigurationError(problem) from exc


class PydanticModel:
    """A class of pydantic, which has checked its objects when they were created.

    Args:
        kind: The class.
    """

    def __init__(self, kind: type[BaseModel]) -> None:
        self.kind: type[BaseModel] = kind

    def plain(self, value: Any) -> dict[str, Any]:
        """Check a payload."""
        from pydantic import ValidationError  # noqa: PLC0415 - loaded by now, since the class is one of pydantic

        try:
            is_object = isinstance(value, self.kind)
            checked = value if is_object else self.kind.model_validate(value)
            plain = checked.model_dump(mode="json")
        except ValidationError as exc:
            raise self._explained(exc) from None
        except Exception:  # noqa: BLE001 - validators and serializers of the class may raise anything, and quote the value
            raise _misfit(_UNFIT) from None
        if not is_object and isinstance(value, Mapping) and len(value) > len(checked.model_fields_set):
            # The class ignores what it does not have, and an audit trail must not.
            raise _misfit(_UNKNOWN)
        return plain

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the class."""
        return self.kind.model_json_schema(mode="validation")

    def _explained(self, error: ValidationError) -> EventError:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        known = _names(self.schema())
        parts = [
            f"[{part}]" if isinstance(part, int) else f".{part if part in known else '...'}" for part in first["loc"]
        ]
        reason = {"missing": "is missing", "extra_forbidden": _UNKNOWN}.get(first["type"], _UNFIT)
        return _misfit(reason, "payload" + "".join(parts))


def model_of(kind: Any) -> Model:
    """Return the model of a class.

    Raises:
        ConfigurationError: It is no class of msgspec, pydantic, nor a dataclass.
    """
    if isinstance(kind, type) and hasattr(kind, "model_json_schema"):
        return PydanticModel(kind)
    if isinstance(kind, type) and (issubclass(kind, msgspec.Struct) or hasattr(kind, "__dataclass_fields__")):
        return StructModel(kind)
    name = getattr(kind, "__name__", type(kind).__name__)
    raise ConfigurationError(Problem(name, "is no class of payloads", "derive it from telemetry.catalog.Event"))


def _plain_mapping(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def _misfit(reason: str, path: str = "payload") -> EventError:
    return EventError(f"{path} {reason}")


def _explained(message: str) -> tuple[str, str]:
    """Return reason and path of an error of msgspec."""
    match = _PATH.fullmatch(message)
    text, path = (match[1], "payload" + match[3]) if match else (message, "payload")
    if text.startswith("Object contains unknown field"):
        return _UNKNOWN, path
    return (f"does not fit: {text}" if _SAFE.fullmatch(text) else _UNFIT), path


def _names(schema: Any) -> set[str]:
    """Return the names of all members in a schema."""
    names: set[str] = set()
    waiting = [schema]
    for node in waiting:
        if isinstance(node, dict):
            properties = node.get("properties")
            if isinstance(properties, dict):
                names.update(properties)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return names
