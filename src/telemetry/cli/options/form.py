"""Bundles the options that say how ``export`` writes events: schema, file format, columns and rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, BinaryIO

import msgspec
import typer

from telemetry.cli.options.bundle import Command, with_bundle
from telemetry.cli.output.columns import with_columns
from telemetry.cli.output.writers import writer_of
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.ingest.mapping.preset_file import load_preset, preset_names
from telemetry.reader.mappings import SCHEMAS, Schema, cadf_by_rules, ecs_by_rules, ocsf_by_rules
from telemetry.reader.mappings.ocsf import OcsfMapping
from telemetry.reader.mappings.ocsf_schema import published
from telemetry.reader.mappings.rules import Rule, read_rules, rules_of
from telemetry.reader.mappings.writers import EventWriter

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
    ECS = "ecs"


class Layout(StrEnum):
    """Layouts of a folder of files."""

    SECURITY_LAKE = "security-lake"


_BY_RULES = {Form.OCSF: ocsf_by_rules, Form.CADF: cadf_by_rules, Form.ECS: ecs_by_rules}
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
            list[str] | None,
            typer.Option(
                "--ocsf-rules",
                metavar="FILE|PRESET",
                help="TOML file, or preset of `telemetry log`, whose rules say which OCSF class and activity each type is. "
                "Repeatable: the first rule that matches wins.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "catalog": (
        Annotated[
            str | None,
            typer.Option(
                "--catalog",
                metavar="CATALOG",
                help="With --schema ocsf, cadf or ecs: the classes that a catalogue names, after --ocsf-rules: module:variable, or an exported "
                ".json file.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
}


_LAKE: dict[str, tuple[Any, Any]] = {
    "layout": (
        Annotated[
            Layout | None,
            typer.Option(
                "--layout",
                help="With --schema ocsf: write Parquet files of one class and day into the folder of --out, as this lake wants them. "
                "The same as --format parquet --lake FOLDER.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "lake": (
        Annotated[
            Path | None,
            typer.Option(
                metavar="FOLDER",
                help="With --schema ocsf --format parquet: write files of one class and day into this folder, in the layout of "
                "Amazon Security Lake.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "lake_region": (
        Annotated[str | None, typer.Option(metavar="REGION", help="With --lake: AWS Region.", rich_help_panel=_PANEL)],
        None,
    ),
    "lake_account": (
        Annotated[
            str | None,
            typer.Option(
                metavar="ACCOUNT",
                help="With --lake: AWS account, or external id of the custom source.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "lake_source": (
        Annotated[
            str,
            typer.Option(
                metavar="NAME",
                help="With --lake: beginning of the custom sources' names; a hyphen and the class's number follow.",
                rich_help_panel=_PANEL,
            ),
        ],
        "telemetry",
    ),
}


class FormOptions:
    """How events are written.

    Args:
        values: Values of the options, by name.

    Attributes:
        format: The file format.
        schema: The schema.
        lake: Folder to write into instead of a file, or None.
        has_layout: Whether the target is a folder with a layout.
        is_plain: Whether no option asks for anything but whole events as JSON lines.

    Raises:
        ConfigurationError: A value cannot be used.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self.has_layout = values.get("layout") is not None
        self.format: Format = Format.PARQUET if self.has_layout else values["format_"]
        self._form: Form = values["form"]
        self._whole = event_schema(self._form, values["ocsf_rules"] or [], values.get("catalog"))
        columns: str | None = values["columns"]
        self.schema = self._whole if columns is None else with_columns(self._whole, columns)
        self.lake: Path | None = values["lake"]
        self._lake_values = {name: values[f"lake_{name}"] for name in ("source", "region", "account")}
        self.is_plain = self._form is Form.EVENT and self.format is Format.JSONL and columns is None
        if self.lake is not None or self.has_layout:
            self._require_lake()

    def into(self, folder: Path | None) -> FormOptions:
        """Return the options with the folder of a layout.

        Args:
            folder: Value of ``--out``.

        Raises:
            ConfigurationError: No folder is named.
        """
        if folder is None:
            raise ConfigurationError(Problem("--layout", "writes files into a folder", "name it with --out or --lake"))
        return FormOptions({**self._values, "lake": folder})

    def require_library(self) -> None:
        """Check that what the format needs is installed.

        Raises:
            MissingExtraError: It is not.
        """
        writer_of(self.format)

    @contextmanager
    def writing(self, target: BinaryIO) -> Iterator[EventWriter]:
        """Yield what writes events; if the block fails, what it wrote gets no valid end.

        Args:
            target: The stream to write to; a lake has files of its own.
        """
        writer = self._writer(target)
        try:
            yield writer
        except BaseException:  # an interrupt too: a half-written table must not look complete
            writer.discard()
            raise

    def _writer(self, target: BinaryIO) -> EventWriter:
        mapping = self.schema.record
        if self.format is not Format.PARQUET or not isinstance(mapping, OcsfMapping):
            return writer_of(self.format)(target, self.schema)
        # pyarrow is optional and large: require_library has found it.
        from telemetry.cli.output.parquet.lake import LakePlace, LakeWriter  # noqa: PLC0415
        from telemetry.cli.output.parquet.structs import OcsfParquetWriter  # noqa: PLC0415

        if self.lake is None:
            return OcsfParquetWriter(target, self.schema, mapping)
        return LakeWriter(LakePlace(folder=self.lake, **self._lake_values), self.schema, mapping)

    @property
    def _lake_option(self) -> str:
        return "--layout" if self.has_layout else "--lake"

    def _require_lake(self) -> None:
        if self._form is not Form.OCSF or self.format is not Format.PARQUET or self.schema is not self._whole:
            raise ConfigurationError(
                Problem(
                    self._lake_option,
                    "has whole records of OCSF as Parquet",
                    "add --schema ocsf --format parquet alone",
                )
            )
        if not self._lake_values["region"] or not self._lake_values["account"]:
            remedy = "add --lake-region and --lake-account"
            raise ConfigurationError(Problem(self._lake_option, "its folders are named by Region and account", remedy))

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
    options: Mapping[str, tuple[Any, Any]] = MappingProxyType(_OPTIONS | _LAKE)

    def build(self, values: Mapping[str, Any]) -> FormOptions:
        """Return the options' values, checked."""
        return FormOptions(values)


def with_form(command: Command) -> Command:
    """Give a command the options; it receives them as ``form``."""
    return with_bundle(command, FormBundle())


def event_schema(form: Form, sources: list[str], catalog: str | None) -> Schema:
    """Return a schema, with the rules that say what each type is.

    Args:
        form: Name of the schema.
        sources: Files and presets with rules.
        catalog: Catalogue that names classes, or None.

    Raises:
        ConfigurationError: The schema has no rules, or some cannot be used.
    """
    if not sources and catalog is None:
        return SCHEMAS[form]
    if form not in _BY_RULES:
        option = "--ocsf-rules" if sources else "--catalog"
        remedy = "add --schema ocsf, cadf or ecs"
        raise ConfigurationError(Problem(option, f"the schema {form} has no rules", remedy))
    rules = [rule for source in sources for rule in _rules(source)]
    return _BY_RULES[form]([*rules, *(_declared_rules(catalog) if catalog is not None else ())])


def _declared_rules(catalog: str) -> tuple[Rule, ...]:
    # Its module may import a whole application: loaded where one is named.
    from telemetry.catalog.described.loading import load_catalog  # noqa: PLC0415
    from telemetry.catalog.described.ocsf_rules import rule_tables  # noqa: PLC0415

    # As a preset: a class may require what not every event has; such an event is API Activity, and counted.
    return rules_of(rule_tables(load_catalog(catalog, option="--catalog")), name=f"--catalog {catalog}", is_preset=True)


def _rules(source: str) -> tuple[Rule, ...]:
    if source.endswith(".toml"):
        return read_rules(Path(source))
    if source not in preset_names():
        remedy = f"name a file that ends in .toml, or one of {', '.join(preset_names())}"
        raise ConfigurationError(Problem("--ocsf-rules", f"there is no preset {source[:64]!r}", remedy))
    tables = [msgspec.to_builtins(rule) for rule in load_preset(source).ocsf]
    # What a preset does not say is None or empty there.
    given = [{key: value for key, value in table.items() if value not in (None, {})} for table in tables]
    return rules_of(given, name=source, is_preset=True)
