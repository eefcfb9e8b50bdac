"""Implements ``telemetry catalog``: exports a catalogue, compares two, and compares it with code and with a trail."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from telemetry.cli.options.connection import Loader, reporting_errors, with_connection
from telemetry.cli.output.console import err, escape_markup, out, write_line
from telemetry.cli.output.examples import examples
from telemetry.exceptions import ConfigurationError, Problem

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Export the event types that a service declares, compare two versions, and compare them with code and with a trail.",
)

_FOUND = 1
"""Exit code where something was found."""
_EFFECTS = {"breaking": "bold red", "weaker": "yellow", "compatible": "dim"}
_NAME = "module:variable, such as shop.events:catalog, or an exported .json file."


class Format(StrEnum):
    """What a catalogue is exported as."""

    JSON_SCHEMA = "json-schema"
    MARKDOWN = "markdown"
    OPENAPI = "openapi"
    OCSF = "ocsf"


Catalog = Annotated[str, typer.Argument(metavar="CATALOG", help=f"The catalogue: {_NAME}")]
Given = Annotated[str, typer.Option("--catalog", metavar="CATALOG", help=f"The catalogue: {_NAME}")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command(
    epilog=examples(
        "telemetry catalog export shop.events:catalog -o catalog.json",
        "telemetry catalog export catalog.json --format markdown -o events.md",
    )
)
@reporting_errors
def export(
    catalog: Catalog,
    *,
    format_: Annotated[
        Format,
        typer.Option(
            "--format",
            help="One JSON Schema, which the other commands read too; a page; components of OpenAPI; or rules for "
            "`export --ocsf-rules`.",
        ),
    ] = Format.JSON_SCHEMA,
    out_: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; default: standard output.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Export a catalogue. Naming a variable imports its module; of an exported file nothing is executed."""
    from telemetry.catalog.described.loading import load_catalog
    from telemetry.cli.output.new_file import new_file

    text = _rendered(load_catalog(catalog, option="CATALOG"), format_)
    if out_ is None:
        write_line(text.rstrip("\n"))
        return
    with new_file(out_, replace=force, has_force=True) as stream:
        stream.write(text.encode())


@app.command(epilog=examples("telemetry catalog diff released.json shop.events:catalog"))
@reporting_errors
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help=f"The catalogue before: {_NAME}")],
    new: Annotated[str, typer.Argument(metavar="NEW", help=f"The catalogue after: {_NAME}")],
    *,
    json: Json = False,
) -> None:
    """Say what a new version of a catalogue changes: breaking, weaker or compatible.

    Breaking: a call that was right is refused, or readers miss what they had. Weaker: less is promised than before, such as a
    shorter retention or a value that is no longer masked. Exit code: 1 if a change is breaking or weaker, else 0.
    """
    from telemetry.catalog.described.difference import compare
    from telemetry.catalog.described.loading import load_catalog

    changes = compare(load_catalog(old, option="OLD"), load_catalog(new, option="NEW"))
    is_worse = any(change.effect != "compatible" for change in changes)
    if json:
        write_line(msgspec.json.encode({"changes": [change._asdict() for change in changes]}).decode())
    elif changes:
        table = Table("effect", "type", "change")
        for change in changes:
            style = _EFFECTS[change.effect]
            table.add_row(f"[{style}]{change.effect}[/]", escape_markup(change.event_type), escape_markup(change.text))
        out.print(table)
    else:
        err.print("no difference", style="dim")
    raise typer.Exit(_FOUND if is_worse else 0)


@app.command(
    epilog=examples(
        "telemetry catalog lint src --catalog shop.events:catalog",
        "telemetry catalog lint . --catalog catalog.json --strict",
    )
)
@reporting_errors
def lint(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Python files, and folders of them.")],
    *,
    catalog: Given,
    strict: Annotated[
        bool, typer.Option("--strict", help="Find calls too whose type is not a text in the same file.")
    ] = False,
    json: Json = False,
) -> None:
    """Find calls that log what the catalogue does not declare. The files are parsed, never executed.

    Looks at `audit.log(...)`, `audit.seal(...)`, names that were assigned from them, and `@audited(...)`: the type must be declared,
    and the members of a payload that is written there must be those of its class. Exit code: 1 if something was found.
    """
    from telemetry.catalog.described.lint import lint as lint_files
    from telemetry.catalog.described.loading import load_catalog

    try:
        linted = lint_files(load_catalog(catalog, option="--catalog"), paths)
    except FileNotFoundError as exc:
        raise ConfigurationError(Problem("PATH", f"{exc} does not exist", "name a file or a folder")) from exc
    findings = sorted([*linted.findings, *(linted.unclear if strict else ())])
    if json:
        counts = {"files": linted.files, "calls": linted.calls, "unclear": len(linted.unclear)}
        write_line(msgspec.json.encode({"findings": [each._asdict() for each in findings], **counts}).decode())
    else:
        for each in findings:
            out.print(escape_markup(f"{each.file}:{each.line}:{each.column}: {each.text}"))
        unclear = f", {len(linted.unclear)} with a type that is no text there" if linted.unclear else ""
        err.print(f"{linted.files} files, {linted.calls} calls{unclear}: {len(findings)} findings", style="dim")
    raise typer.Exit(_FOUND if findings else 0)


@app.command(
    epilog=examples(
        "telemetry catalog coverage --catalog shop.events:catalog --service shop --since 90d -c telemetry.toml",
        "telemetry catalog coverage --catalog catalog.json --file evidence.jsonl --strict",
    )
)
@with_connection
def coverage(
    load: Loader,
    *,
    catalog: Given,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only records since then, by Kafka's time: 90d, or 2026-01-31.")
    ] = None,
    service: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only records of this service. Repeatable.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="A file instead of the topic: from `export --sealed` or `kcat -J`.")
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 1 if a declared type was never seen, or a seen one is not declared."),
    ] = False,
    json: Json = False,
) -> None:
    """Say which declared types were never seen in the trail, and which were seen and are not declared.

    Needs no key: it reads the types outside of the seal, which are not proven; `verify` does that. Types that are hidden
    (`hide_event_type`) are counted.
    """
    from telemetry.catalog.described.coverage import Coverage
    from telemetry.catalog.described.loading import load_catalog

    seen = Coverage(load_catalog(catalog, option="--catalog"), service or ())
    _count(seen, load, file, since)
    if json:
        types = [kind._asdict() for kind in seen.types()]
        counts = {"hidden": seen.hidden, "unread": seen.unread, "others": seen.others}
        write_line(
            msgspec.json.encode(
                {"types": types, "unseen": seen.unseen, "undeclared": seen.undeclared, **counts}
            ).decode()
        )
    else:
        _show(seen)
    raise typer.Exit(_FOUND if strict and (seen.unseen or seen.undeclared) else 0)


def _count(seen: Any, load: Loader, file: Path | None, since: str | None) -> None:
    from datetime import UTC, datetime

    from telemetry.cli.options.sources import NO_TOPIC, Origin, sources_of
    from telemetry.reader import RawRecord, ReadRange
    from telemetry.reader.filters.moments import parse_moment

    if file is not None and since is not None:
        raise ConfigurationError(Problem("--since", "applies to the topic only", "leave it out"))
    config = load(encryption_enabled=False, fallback_enabled=False, **(NO_TOPIC if file is not None else {}))
    begin = parse_moment(since, "--since", now=datetime.now(UTC)).timestamp() if since is not None else None
    with sources_of(config, Origin.TOPIC, file, ReadRange(since=begin), label="counting") as sources:
        for record in sources[0]:
            seen.add(record.value if isinstance(record, RawRecord) else record.raw.value)


def _show(seen: Any) -> None:
    table = Table("type", "declared", "events", "first", "last")
    for kind in seen.types():
        style = "" if kind.is_declared and kind.events else "yellow"
        declared, events = "yes" if kind.is_declared else "no", f"{kind.events:,}" if kind.events else "never"
        times = (escape_markup(time[:19]) for time in (kind.first, kind.last))
        table.add_row(escape_markup(kind.event_type), declared, events, *times, style=style)
    out.print(table)
    parts = [
        f"{len(seen.unseen)} declared types were never seen",
        f"{len(seen.undeclared)} were seen and are not declared",
        *([f"{seen.hidden} records hide their type"] if seen.hidden else []),
        *([f"{seen.unread} are no events"] if seen.unread else []),
        *([f"{seen.others} have further types"] if seen.others else []),
    ]
    err.print("; ".join(parts), style="dim")


def _rendered(catalog: Any, format_: Format) -> str:
    from telemetry.catalog.described import document, markdown, ocsf_rules, openapi

    if format_ is Format.MARKDOWN:
        return markdown.to_markdown(catalog)
    if format_ is Format.OCSF:
        return ocsf_rules.to_rules(catalog)
    schema = openapi.to_openapi(catalog) if format_ is Format.OPENAPI else document.to_document(catalog)
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"
