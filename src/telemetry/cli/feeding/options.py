"""Defines the options that say how standard input is read, and what is kept or said about its lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import typer

from telemetry.cli.options.bundle import Command, with_bundle
from telemetry.exceptions import ConfigurationError, Problem

_PANEL = "How the input is read"
_WHOLE_LINE = "."


def _option(*names: str, help_text: str) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=_PANEL)


_OPTIONS: dict[str, tuple[Any, Any]] = {
    "items": (
        Annotated[
            str | None,
            _option(
                "--items",
                help_text="Where the events are in a document, such as Records; '.' says that each object is one event.",
            ),
        ],
        None,
    ),
    "keep_line": (
        Annotated[
            bool,
            _option(
                "--keep-line",
                help_text="Seal the exact text of each line as payload, whatever names or numbers it has.",
            ),
        ],
        False,
    ),
    "bad_lines": (
        Annotated[
            Path | None,
            _option("--bad-lines", help_text="File for the lines that are not logged, to mend and log them alone."),
        ],
        None,
    ),
    "resume": (
        Annotated[
            Path | None,
            _option(
                "--resume",
                help_text="File that remembers how far the import came: after a crash the same command goes on there.",
            ),
        ],
        None,
    ),
    "ack": (
        Annotated[
            bool,
            _option("--ack", help_text="Print a JSON line for each event as soon as it is durable, in input order."),
        ],
        False,
    ),
    "strict": (Annotated[bool, _option("--strict", help_text="Stop at the first bad line.")], False),
}


class FeedOptions(NamedTuple):
    """How the input is read.

    Attributes:
        items: Names that lead to the list of events in a document; None if nothing was said.
        whole_line: Whether an object is an event, whatever it looks like.
        keep_line: Whether the exact text of a line is its payload.
        bad_lines: File for lines that are not logged.
        resume: File that remembers how far an import came.
        ack: Whether each durable event is acknowledged.
        strict: Whether to stop at the first bad line.
    """

    items: tuple[str, ...] | None
    whole_line: bool
    keep_line: bool
    bad_lines: Path | None
    resume: Path | None
    ack: bool
    strict: bool


class FeedBundle:
    """The options as a bundle: a command gets ``FeedOptions``."""

    parameter = "feed"
    options: Mapping[str, tuple[Any, Any]] = MappingProxyType(_OPTIONS)

    def build(self, values: Mapping[str, Any]) -> FeedOptions:
        """Return the options' values, checked.

        Raises:
            ConfigurationError: A path of items is empty or has an empty name, or two files have one name.
        """
        items: str | None = values["items"]
        _require_two_files(values["bad_lines"], values["resume"])
        return FeedOptions(**(dict(values) | {"items": _names(items), "whole_line": items == _WHOLE_LINE}))


def with_feed(command: Command) -> Command:
    """Give a command the options; it receives them as ``feed``."""
    return with_bundle(command, FeedBundle())


def _require_two_files(bad_lines: Path | None, resume: Path | None) -> None:
    # Each would replace what the other has written.
    if bad_lines is not None and resume is not None and bad_lines.resolve() == resume.resolve():
        raise ConfigurationError(Problem("--bad-lines", f"{bad_lines} is the file of --resume", "choose another name"))


def _names(path: str | None) -> tuple[str, ...] | None:
    if path is None or path == _WHOLE_LINE:
        return None
    names = tuple(path.split("."))
    if not all(names):
        raise ConfigurationError(Problem("--items", f"{path!r} is no path", "write it like Records or data.events"))
    return names
