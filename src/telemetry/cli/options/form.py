"""Bundles the options that say how ``export`` writes events: schema, file format, columns and rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, BinaryIO

import typer

from telemetry.cli.options.bundle import Command, with_bundle
from telemetry.cli.output.columns import with_columns
from telemetry.cli.output.writers import EventWriter, writer_of
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader.mappings import SCHEMAS, Schema, cadf_by_rules, ocsf_by_rules
from telemetry.reader.mappings.ocsf import OcsfMapping
from telemetry.reader.mappings.ocsf_schema import published
from telemetry.reader.mappings.rules import read_rules

_PANEL = "How events are written"


class Format(StrEnum):
    """File formats."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class Form(StrEnum):
    """Schemas of an event."""

    EVENT = "event"
    CLOUDEVENTS = "cloudevents"
    OCSF = "ocsf"
    CADF = "cadf"


_BY_RULES = {Form.OCSF: ocsf_by_rules, Form.CADF: cadf_by_rules}
_OPTIONS: dict[str, tuple[Any, Any]] = {
    "form": (
        Annotated[Form, typer.Option("--schema", help="Schema of each event.", rich_help_panel=_PANEL)],
        Form.EVENT,
    ),
    "format_": (
        Annotated[Format, typer.Option("--format", help="File format.", rich_help_panel=_PANEL)],
        Format.JSONL,
    ),
    "columns": (
        Annotated[
            str | None,
            typer.Option(
                "--columns",
                metavar="PATH,PATH...",
                help="Write these members alone, such as time,user_id,payload.client.ip.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "ocsf_rules": (
        Annotated[
            list[Path] | None,
            typer.Option(
                "--ocsf-rules",
                metavar="FILE",
                help="TOML file of rules that say which OCSF class and activity each type is. Repeatable: the first rule "
                "that matches wins.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
}


class FormOptions:
    """How events are written.

    Args:
        values: Values of the options, by name.

    Attributes:
        format: The file format.
        schema: The schema.
        is_plain: Whether no option asks for anything but whole events as JSON lines.

    Raises:
        ConfigurationError: A value cannot be used.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.format: Format = values["format_"]
        form: Form = values["form"]
        self._whole = _schema(form, values["ocsf_rules"] or [])
        columns: str | None = values["columns"]
        self.schema = self._whole if columns is None else with_columns(self._whole, columns)
        self.is_plain = form is Form.EVENT and self.format is Format.JSONL and columns is None

    def require_library(self) -> None:
        """Check that what the format needs is installed.

        Raises:
            MissingExtraError: It is not.
        """
        writer_of(self.format)

    def writer(self, target: BinaryIO) -> EventWriter:
        """Return what writes events to a stream."""
        return writer_of(self.format)(target, self.schema)

    def remarks(self) -> Iterator[str]:
        """Yield what a person should know about the events that were converted, in sentences."""
        mapping = self._whole.record
        if isinstance(mapping, OcsfMapping):
            for (class_uid, lacking), count in sorted(mapping.lacking.items()):
                caption = published().classes[class_uid].caption
                yield (
                    f"{count} events are API Activity and not {caption} ({class_uid}), as their rule says: they have no "
                    f"{lacking}. Fill it in the rule's fields."
                )


class FormBundle:
    """The options as a bundle: a command gets ``FormOptions``."""

    parameter = "form"
    options: Mapping[str, tuple[Any, Any]] = MappingProxyType(_OPTIONS)

    def build(self, values: Mapping[str, Any]) -> FormOptions:
        """Return the options' values, checked."""
        return FormOptions(values)


def with_form(command: Command) -> Command:
    """Give a command the options; it receives them as ``form``."""
    return with_bundle(command, FormBundle())


def _schema(form: Form, files: list[Path]) -> Schema:
    if not files:
        return SCHEMAS[form]
    if form not in _BY_RULES:
        remedy = "add --schema ocsf or --schema cadf"
        raise ConfigurationError(Problem("--ocsf-rules", f"the schema {form} has no rules", remedy))
    return _BY_RULES[form]([rule for file in files for rule in read_rules(file)])
