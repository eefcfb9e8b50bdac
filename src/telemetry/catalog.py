"""Names of providers: the built-in ones, those registered in Python, and those of installed entry points."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from telemetry.exceptions import ConfigurationError, Problem

ProviderT = TypeVar("ProviderT")


class ProviderCatalog(Generic[ProviderT]):
    """Finds a provider's class by name and imports it only then.

    Args:
        base: The abstract class that every provider extends.
        group: Entry-point group in which other distributions announce providers.
        builtin: Name to ``module:Class``.
    """

    def __init__(self, base: type[ProviderT], *, group: str, builtin: dict[str, str]) -> None:
        self._base = base
        self._group = group
        self._builtin = builtin
        self._registered: dict[str, type[ProviderT]] = {}

    def register(self, name: str, provider: type[ProviderT]) -> None:
        """Make ``provider`` known as ``name``; a built-in name cannot be taken."""
        if name in self._builtin:
            raise ConfigurationError(Problem("provider", f"{name!r} is a built-in name", "choose another"))
        self._require_subclass(name, provider)
        self._registered[name] = provider

    def names(self) -> list[str]:
        """Return every known name, sorted."""
        return sorted({*self._builtin, *self._registered, *(point.name for point in entry_points(group=self._group))})

    def is_builtin(self, name: str) -> bool:
        """Whether ``name`` is one of this library's own."""
        return name in self._builtin

    def find(self, name: str) -> type[ProviderT] | None:
        """Return the class called ``name``, or None.

        Raises:
            MissingExtraError: The provider's dependencies are not installed.
            ConfigurationError: An entry point does not name a provider class.
        """
        if name in self._registered:
            return self._registered[name]
        if name in self._builtin:
            module, _, attribute = self._builtin[name].partition(":")
            found: type[ProviderT] = getattr(import_module(module), attribute)
            return found
        for point in entry_points(group=self._group, name=name):
            return self._require_subclass(name, point.load())
        return None

    def require(self, name: str) -> type[ProviderT]:
        """Return the class called ``name``, or raise ``ConfigurationError`` with the names there are."""
        found = self.find(name)
        if found is None:
            known = ", ".join(self.names())
            raise ConfigurationError(Problem("provider", f"{name!r} is unknown", f"use one of: {known}"))
        return found

    def _require_subclass(self, name: str, provider: object) -> type[ProviderT]:
        if isinstance(provider, type) and issubclass(provider, self._base):
            return provider
        raise ConfigurationError(
            Problem("provider", f"{name!r} does not name a subclass of {self._base.__name__}", "subclass it")
        )
