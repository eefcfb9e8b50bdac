"""Bundles the options of ``telemetry search`` that say what is searched for: what is in the clear part of events."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telemetry.cli.options.bundle import Command, with_bundle
from telemetry.cli.options.filters import FILTERS, FilterOptions

if TYPE_CHECKING:
    from telemetry.archive.searching.conditions import SearchedEvents

_PANEL = "Which events"
_FILTERS = (
    *("since", "until", "users", "actors", "actor_types", "tenants", "entities", "addresses", "sessions"),
    *("correlations", "ids", "types", "outcomes"),
)
"""Filters of a trail that the clear part of events can answer."""


def _texts(name: str, help_: str) -> Any:
    return Annotated[list[str] | None, typer.Option(name, help=f"{help_} Repeatable.", rich_help_panel=_PANEL)]


_OPTIONS: dict[str, tuple[Any, Any]] = {
    **{name: FILTERS[name] for name in _FILTERS},
    "services": (_texts("--service", "Events of this service."), None),
    "environments": (_texts("--in", "Events of services of this environment."), None),
    "producers": (_texts("--producer", "Events of this producer."), None),
    "actions": (_texts("--action", "Events of this action."), None),
    "limit": (
        Annotated[int, typer.Option(min=1, max=10_000, help="Events to show at most: those that were logged last.")],
        100,
    ),
    "most_keys": (
        Annotated[int, typer.Option(min=1, help="With --open: data keys of which the key service is asked at most.")],
        1_000,
    ),
    "sensitive": (
        Annotated[bool, typer.Option("--sensitive", help="With --open: show payload and changes of sensitive events.")],
        False,
    ),
}


class SearchOptions:
    """What is searched for.

    Args:
        values: Values of the options, by name.

    Attributes:
        filter: The conditions that filters of a trail have too.
        limit: How many events are shown at most.
        most_keys: How many data keys may be opened.
        with_sensitive: Whether content of sensitive events is shown.

    Raises:
        ConfigurationError: A value cannot be used.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self.limit: int = values["limit"]
        self.most_keys: int = values["most_keys"]
        self.with_sensitive: bool = values["sensitive"]
        self.filter = FilterOptions({name: values[name] for name in _FILTERS}).filter

    @property
    def searched(self) -> SearchedEvents:
        """What is searched for.

        Raises:
            ConfigurationError: It is sealed in any case.
        """
        # Its package is large, and a help text needs none of it.
        from telemetry.archive.searching.conditions import SearchedEvents  # noqa: PLC0415

        names = ("services", "environments", "producers", "actions")
        return SearchedEvents(filter=self.filter, **{name: tuple(self._values[name] or ()) for name in names})


class SearchBundle:
    """The options as a bundle: a command gets ``SearchOptions``."""

    parameter = "asked"
    options: Mapping[str, tuple[Any, Any]] = MappingProxyType(_OPTIONS)

    def build(self, values: Mapping[str, Any]) -> SearchOptions:
        """Return the options' values, checked."""
        return SearchOptions(values)


def with_search(command: Command) -> Command:
    """Give a command the options; it receives them as ``asked``."""
    return with_bundle(command, SearchBundle())
