"""Finds providers by name: built-in ones, those registered in Python, and those of installed entry points."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from telemetry.exceptions import ConfigurationError, Problem

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

ConfigT = TypeVar("ConfigT", bound="NamesProvider")
ProviderT = TypeVar("ProviderT")


class NamesProvider(Protocol):
    """A configuration that names a provider."""

    @property
    def provider(self) -> str:
        """Name of the provider."""


class ProviderTable:
    """Finds a provider's class by name and imports it only then.

    Args:
        base: ``module:Class`` of the abstract class that every provider extends; imported when a provider is checked.
        group: Entry-point group in which other distributions announce providers.
        builtin: Name to ``module:Class``.
    """

    def __init__(self, base: str, *, group: str, builtin: dict[str, str]) -> None:
        self._base = base
        self._group = group
        self._builtin = builtin
        self._registered: dict[str, type[Any]] = {}

    def register(self, name: str, provider: type[Any]) -> None:
        """Register ``provider`` under ``name``, which must not be a built-in one."""
        if name in self._builtin:
            raise ConfigurationError(Problem("provider", f"{name!r} is a built-in name", "choose another"))
        self._require_subclass(name, provider)
        self._registered[name] = provider

    def names(self) -> list[str]:
        """Return every known name, sorted."""
        return sorted({*self._builtin, *self._registered, *(point.name for point in _entry_points(self._group))})

    def is_builtin(self, name: str) -> bool:
        """Whether ``name`` is one of this library's own."""
        return name in self._builtin

    def find(self, name: str) -> type[Any] | None:
        """Return the class called ``name``, or None.

        Raises:
            MissingExtraError: The provider's dependencies are not installed.
            ConfigurationError: An entry point does not name a provider class.
        """
        if name in self._registered:
            return self._registered[name]
        if name in self._builtin:
            return _load(self._builtin[name])
        for point in _entry_points(self._group, name=name):
            return self._require_subclass(name, point.load())
        return None

    def config_class(self, name: str, default: type[Any]) -> type[Any]:
        """Return the configuration class of a third party's provider; ``default`` for every other name."""
        provider = None if self.is_builtin(name) else self.find(name)
        return provider.config_class if provider else default

    def require(self, name: str) -> type[Any]:
        """Return the class called ``name``, or raise ``ConfigurationError`` with the known names."""
        provider = self.find(name)
        if provider is None:
            known = ", ".join(self.names())
            raise ConfigurationError(Problem("provider", f"{name!r} is unknown", f"use one of: {known}"))
        return provider

    def _require_subclass(self, name: str, provider: object) -> type[Any]:
        base = _load(self._base)
        if isinstance(provider, type) and issubclass(provider, base):
            return provider
        raise ConfigurationError(
            Problem("provider", f"{name!r} does not name a subclass of {base.__name__}", "subclass it")
        )


class ProviderFactory(Generic[ProviderT, ConfigT]):
    """Creates the provider that a configuration names; its subclasses say of which kind.

    Attributes:
        table: Known providers.
        base_config: Configuration class of the built-in ones.
    """

    table: ClassVar[ProviderTable]
    base_config: ClassVar[type[Any]]

    @classmethod
    def register(cls, name: str, provider: type[ProviderT]) -> None:
        """Register a third party's provider under ``name``.

        Raises:
            ConfigurationError: The name is built in, or the class does not extend the provider's abstract class.
        """
        cls.table.register(name, provider)

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of all known providers."""
        return cls.table.names()

    @classmethod
    def config_class(cls, name: str) -> type[ConfigT]:
        """Return the configuration class of the provider called ``name``; the common one if it is unknown."""
        return cls.table.config_class(name, cls.base_config)

    @classmethod
    def create(cls, config: ConfigT) -> ProviderT:
        """Create the provider that ``config`` names.

        Raises:
            ConfigurationError: Unknown name, or a configuration that the provider cannot use.
            MissingExtraError: Its dependencies are not installed.
        """
        provider: ProviderT = cls.table.require(config.provider)(config)
        return provider


def _load(path: str) -> type[Any]:
    module, _, attribute = path.partition(":")
    loaded: type[Any] = getattr(import_module(module), attribute)
    return loaded


def _entry_points(group: str, name: str | None = None) -> EntryPoints:
    # Loaded for third parties' names only: reading the metadata of all distributions is slow.
    from importlib.metadata import entry_points  # noqa: PLC0415

    points = entry_points(group=group)
    return points if name is None else points.select(name=name)
