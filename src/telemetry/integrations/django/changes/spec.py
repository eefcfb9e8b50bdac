"""Says which models are audited and how: the decorator ``audited_model``, and the models that settings name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Field, Model

APP = "telemetry.integrations.django"

_M = TypeVar("_M", bound=type[Model])


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """How one model is audited.

    Attributes:
        mask: Fields of which only the fact of a change is logged.
        exclude: Fields that are not logged.
        m2m: Many-to-many fields whose members are logged; None for all of them.
        entity: Name of the thing in events; None for the name of the class.
    """

    mask: frozenset[str] = field(default_factory=frozenset)
    exclude: frozenset[str] = field(default_factory=frozenset)
    m2m: frozenset[str] | None = None
    entity: str | None = None

    def covers(self, column: Field[Any, Any]) -> bool:
        """Return whether a field is logged at all."""
        return not self.exclude.intersection((column.name, column.attname))

    def masks(self, column: Field[Any, Any]) -> bool:
        """Return whether the values of a field stay out of events."""
        return bool(self.mask.intersection((column.name, column.attname)))

    def entity_of(self, model: type[Model]) -> str:
        """Return the name of the thing in events: a proxy and its model are one."""
        concrete = model._meta.concrete_model or model
        return self.entity or snake_case(concrete.__name__)


def snake_case(name: str) -> str:
    """Return the name of a class as events have it: ``OrderLine`` is ``order_line``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class SpecRegistry:
    """The audited models; subclasses and proxies of a model are audited as it is, and so are its historical versions in migrations."""

    def __init__(self) -> None:
        self._by_model: dict[type[Model], ModelSpec] = {}
        self._by_label: dict[str, ModelSpec] = {}
        # None for a model that is not audited; emptied when one is added.
        self._found: dict[type[Model], ModelSpec | None] = {}

    def add(self, model: type[Model], spec: ModelSpec) -> None:
        """Audit a model; what was said before about it is replaced."""
        self._by_model[model] = spec
        if not model._meta.abstract:
            self._by_label[model._meta.label_lower] = spec
        self._found.clear()

    def has(self, model: type[Model]) -> bool:
        """Return whether a model itself was added, not only one that it is derived from."""
        return model in self._by_model

    def of(self, model: type[Model]) -> ModelSpec | None:
        """Return how a model is audited; None if it is not."""
        try:
            return self._found[model]
        except KeyError:
            spec = self._found[model] = self._search(model)
            return spec

    def _search(self, model: type[Model]) -> ModelSpec | None:
        if model._meta.auto_created:
            return None
        for base in model.__mro__:
            if base in self._by_model:
                return self._by_model[base]
        return self._by_label.get(model._meta.label_lower)


registry = SpecRegistry()


@overload
def audited_model(model: _M, /) -> _M: ...


@overload
def audited_model(
    *,
    mask: Iterable[str] = (),
    exclude: Iterable[str] = (),
    m2m: Iterable[str] | None = None,
    entity: str | None = None,
) -> Callable[[_M], _M]: ...


def audited_model(model: type[Model] | None = None, /, **options: Any) -> Any:  # noqa: D417 - the overload names them
    """Log each change of a model's rows, with old and new values; a decorator of the class.

    Saves, deletes with what they cascade to, members of many-to-many fields and bulk writes are logged once their transaction
    is committed. Subclasses and proxies are audited too; decorate one to say something else about it.

    Args:
        model: The class.
        mask: Fields of which only the fact of a change is logged. The values of those with the name of a secret, such as
            ``password`` or ``api_token``, are scrubbed in any case.
        exclude: Fields that are not logged.
        m2m: Many-to-many fields whose members are logged; default: all.
        entity: Name of the thing in events; default: the name of the class in snake case.

    Raises:
        ImproperlyConfigured: The app is not in ``INSTALLED_APPS``.
    """
    spec = spec_of(options)

    def decorate(cls: type[Model]) -> type[Model]:
        if not any(name == APP or name.startswith(f"{APP}.apps.") for name in settings.INSTALLED_APPS):
            message = f"audited_model logs nothing without its app: add {APP!r} to INSTALLED_APPS"
            raise ImproperlyConfigured(message)
        registry.add(cls, spec)
        return cls

    return decorate if model is None else decorate(model)


def spec_of(options: Mapping[str, Any]) -> ModelSpec:
    """Return the specification that options describe.

    Raises:
        ImproperlyConfigured: An option has an unknown name or is no list of names.
    """
    values: dict[str, Any] = {}
    for name, value in options.items():
        if name == "entity":
            values[name] = value
        elif name not in ("mask", "exclude", "m2m"):
            message = f"an audited model has no option {name!r}; there are mask, exclude, m2m and entity"
            raise ImproperlyConfigured(message)
        elif isinstance(value, str):
            message = f"{name} of an audited model is a list of field names, such as [{value!r}]"
            raise ImproperlyConfigured(message)
        elif value is not None:
            values[name] = frozenset(value)
    return ModelSpec(**values)
