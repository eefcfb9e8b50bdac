"""Bundles the options of ``telemetry evidence`` that say which events are wanted, from where, and who asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telemetry.cli.options.bundle import Command, with_bundle
from telemetry.cli.options.filters import FILTERS, FilterOptions
from telemetry.cli.options.reader import Reader, Reason
from telemetry.cli.options.sources import ArchiveUri, File, FromTrail, TrailOrigin, require_one_place
from telemetry.cli.options.wanted_events import wanted_events
from telemetry.exceptions import ConfigurationError, Problem

if TYPE_CHECKING:
    from telemetry.evidence.request import EvidenceRequest

_PANEL = "Which events"
_OPTIONS: dict[str, tuple[Any, Any]] = {
    **FILTERS,
    "id_file": (
        Annotated[
            Path | None,
            typer.Option(
                "--ids", help="File with the ids of events, one a line: exactly these.", rich_help_panel=_PANEL
            ),
        ],
        None,
    ),
    "sample": (
        Annotated[
            int | None,
            typer.Option("--sample", min=1, metavar="N", help="Draw N of them at random.", rich_help_panel=_PANEL),
        ],
        None,
    ),
    "seed": (
        Annotated[
            str | None,
            typer.Option(
                metavar="HEX",
                help="With --sample: 64 hexadecimal digits, to draw the same ones again; default: new ones.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "sealed": (
        Annotated[
            bool,
            typer.Option("--sealed", help="Leave the events sealed: no content is in the pack, and no key is needed."),
        ],
        False,
    ),
    "live": (
        Annotated[
            float,
            typer.Option(
                min=0.0,
                help="In the report on the whole trail, a producer whose last checkpoint is at most this many seconds old is "
                "treated as still running.",
            ),
        ],
        0.0,
    ),
    "origin": (FromTrail, TrailOrigin.TRAIL),
    "archive": (ArchiveUri, None),
    "file": (File, None),
    "reader": (Reader, None),
    "reason": (Reason, None),
}


class EvidenceOptions:
    """What is asked of a pack.

    Args:
        values: Values of the options.

    Attributes:
        request: The request.
        is_copied: Whether a file or an archive is read instead of topic and store.
        reads_archive: Whether an archive is read.
        archive: The archive that was named; None for that of the configuration.

    Raises:
        ConfigurationError: A value cannot be used, or they contradict each other.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.request = _request(values)
        require_one_place(values["origin"], values["archive"], values["file"])
        self.reads_archive = values["origin"] is TrailOrigin.ARCHIVE
        self.archive: str | None = values["archive"]
        self.is_copied = values["file"] is not None or self.reads_archive


class EvidenceBundle:
    """The options as a bundle: a command gets :class:`EvidenceOptions`."""

    parameter = "asked"
    options: Mapping[str, tuple[Any, Any]] = MappingProxyType(_OPTIONS)

    def build(self, values: Mapping[str, Any]) -> EvidenceOptions:
        """Return the options' values, checked."""
        return EvidenceOptions(values)


def with_evidence(command: Command) -> Command:
    """Give a command these options; it receives ``asked``."""
    return with_bundle(command, EvidenceBundle())


def _request(values: Mapping[str, Any]) -> EvidenceRequest:
    from telemetry.evidence.pack.sample import Sample  # noqa: PLC0415 - a help text asks for no event
    from telemetry.evidence.request import EvidenceRequest  # noqa: PLC0415
    from telemetry.reader.filters import EventFilter  # noqa: PLC0415

    size, seed = values["sample"], values["seed"]
    if size is None and seed is not None:
        raise ConfigurationError(Problem("--seed", "goes with --sample", "leave it out, or say how many to draw"))
    sample = None if size is None else Sample.fresh(size) if seed is None else Sample(size=size, seed=seed)
    selected = FilterOptions({name: values[name] for name in FILTERS})
    wanted = selected.filter
    ids: tuple[str, ...] = ()
    # Events that are named one by one are missed if they are absent.
    if values["id_file"] is not None:
        ids = tuple(wanted_events(sorted(wanted.ids), values["id_file"]))
    elif sample is None and wanted.ids and wanted == EventFilter(ids=wanted.ids):
        ids = tuple(sorted(wanted.ids))
    if ids:
        if wanted != EventFilter(ids=wanted.ids):
            raise ConfigurationError(Problem("--ids", "names the events", "leave out the filters"))
        wanted = EventFilter()
    return EvidenceRequest(
        wanted=wanted,
        ids=ids,
        sample=sample,
        content=not values["sealed"],
        reader=values["reader"],
        reason=values["reason"],
        file=values["file"],
        within=selected.read_range() if values["file"] is None and values["origin"] is TrailOrigin.TRAIL else None,
        live=values["live"],
    )
