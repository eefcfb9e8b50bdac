"""Implements ``telemetry config``: shows the settings in force, checks them, and lists the variables."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from telemetry.cli.options.connection import LayersReader, reporting_errors, with_layers
from telemetry.cli.output.console import err, escape_markup, out, write_line
from telemetry.cli.output.examples import examples
from telemetry.exceptions import ConfigurationError

if TYPE_CHECKING:
    from telemetry.config.in_force.settings import Setting
    from telemetry.config.loading.layers import Origin
    from telemetry.doctor import CheckResult

_WIDTH = 40
"""A longer value moves only its own origin."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Show the settings in force and where each comes from, check them, and list the variables.",
)


@app.command(
    epilog=examples(
        "telemetry config show -c telemetry.toml --changed",
        "telemetry config show -c telemetry.toml --json | jq '.[] | select(.origin.kind == \"variable\")'",
    )
)
@with_layers
def show(
    read: LayersReader,
    *,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not at its default.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the settings as a JSON array.")] = False,
) -> None:
    """Print every setting in force: its value, with secrets masked, and where it comes from.

    The origin is an option of this command, the name of a variable, file and line, the file of a secret, `derived` from
    other settings, or `default`. Nothing is contacted, and nothing is written.
    """
    from telemetry.config.in_force.settings import settings_in_force

    layers = read()
    _warn_of_suspects()
    settings = [each for each in settings_in_force(layers) if not changed or each.origin.kind != "default"]
    if as_json:
        write_line(msgspec.json.encode([_facts(each) for each in settings]).decode())
        return
    for section, members in groupby(settings, key=lambda each: each.path[:-1]):
        if section:
            out.print(f"[bold]{escape_markup('.'.join(section))}[/]")
        _show(list(members))


@app.command(
    epilog=examples("telemetry config check -c telemetry.toml", "telemetry config check -c telemetry.toml --json")
)
@with_layers
def check(
    read: LayersReader,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Load the configuration and the files that it names, and list all problems at once. Nothing is contacted.

    `telemetry doctor` also asks the key service, Kafka and the fallback store. Exit code: 0 if nothing failed (a warning is
    not a failure), else 2.
    """
    from telemetry.cli.output.check_lines import conclude, show_result
    from telemetry.config import TelemetryConfig
    from telemetry.doctor import Report, examine_files, refused_configuration

    try:
        results = list(examine_files(read().create(TelemetryConfig).audit_config))
    except ConfigurationError as exc:
        results = list(refused_configuration(exc).results)
    report = Report([*_suspect_results(), *results])
    if as_json:
        write_line(msgspec.json.encode(report.as_dict()).decode())
    else:
        for result in report.results:
            show_result(result)
        conclude(report)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


@app.command(epilog=examples("telemetry config variables", "telemetry config variables --long | grep -i storage"))
@reporting_errors
def variables(
    *,
    long: Annotated[bool, typer.Option("--long", help="The long variables too: one for every setting.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the variables as a JSON array.")] = False,
) -> None:
    """List the short variables of the common settings, and what each stands for; * marks those that are set."""
    rows = list(_variables(long=long))
    if as_json:
        write_line(msgspec.json.encode(rows).decode())
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        mark = "[green]*[/]" if row["set"] else " "
        out.print(f"{mark} {row['name']:{width}}  {escape_markup(row['meaning'])}")


@app.command(
    epilog=examples(
        "telemetry config size --services 200 --gateways 2 --events-per-second 2000",
        "telemetry config size --services 10 --events-per-second 50 --events-per-request 1 --json",
    )
)
@reporting_errors
def size(
    *,
    services: Annotated[int, typer.Option(min=1, max=100_000, help="Services that log.")],
    events_per_second: Annotated[
        float, typer.Option(min=0.001, max=10_000_000, help="Events of all services together, at their peak.")
    ],
    gateways: Annotated[int, typer.Option(min=1, max=1_000, help="Gateways that share the load.")] = 2,
    payload_bytes: Annotated[int, typer.Option(min=1, max=64 << 20, help="Payload of an event as JSON.")] = 1_024,
    events_per_request: Annotated[int, typer.Option(min=1, max=100_000, help="Events in one request.")] = 100,
    outage_minutes: Annotated[
        float, typer.Option(min=0, max=10_000, help="Minutes in which the spool takes everything.")
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON; sizes are bytes.")] = False,
) -> None:
    """Estimate what gateways need with the default settings: cores, memory, disk, topic, data keys and checkpoints.

    Of several gateways one may be away: the others carry its load. The numbers follow from measurements on one machine
    (docs/sizing.md); measure yours with `make bench-sizing`.
    """
    from telemetry.doctor.sizing import Load, size_of

    load = Load(
        services=services,
        gateways=gateways,
        events_per_second=events_per_second,
        payload_bytes=payload_bytes,
        events_per_request=events_per_request,
        outage_seconds=outage_minutes * 60,
    )
    sizing = size_of(load)
    if as_json:
        write_line(msgspec.json.encode(sizing.as_dict()).decode())
        return
    rows = sizing.as_rows()
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        out.print(f"{name:{width}}  {value}")


def _variables(*, long: bool) -> Iterator[dict[str, Any]]:
    from telemetry.config.loading.short_variables import SHORT_VARIABLES
    from telemetry.config.loading.variable_names import OF_COMMANDS, long_names

    present = {name.upper() for name in os.environ}
    listed = {each.name: each.meaning or ".".join(each.paths[0]) for each in SHORT_VARIABLES} | dict(OF_COMMANDS)
    if long:
        listed = {name: ".".join(path) for name, path in long_names().items()} | listed
    for name, meaning in listed.items():
        yield {"name": name, "meaning": meaning, "set": name in present}


def _show(settings: list[Setting]) -> None:
    names = max(len(each.path[-1]) for each in settings)
    for each in settings:
        value, origin = _text(each.value), _origin_text(each.origin)
        is_default = each.origin.kind == "default"
        name = f"{escape_markup(each.path[-1]):{names}}"
        out.print(f"  {name}  {escape_markup(f'{value:{_WIDTH}}')}  {_styled(escape_markup(origin), dim=is_default)}")


def _styled(text: str, *, dim: bool) -> str:
    return f"[dim]{text}[/]" if dim else f"[cyan]{text}[/]"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _origin_text(origin: Origin) -> str:
    if origin.kind == "file" and origin.line is not None:
        return f"{origin.name}:{origin.line}"
    return (
        {"argument": "option", "secret file": f"secret in {origin.name}"}.get(origin.kind) or origin.name or origin.kind
    )


def _facts(setting: Setting) -> dict[str, Any]:
    kind, name, line = setting.origin
    place = {"name": name} if name else {}
    return {"setting": setting.name, "value": setting.value, "origin": {"kind": kind, **place, **_line(line)}}


def _line(line: int | None) -> dict[str, int]:
    return {} if line is None else {"line": line}


def _suspect_results() -> Iterator[CheckResult]:
    from telemetry.config.loading.variable_names import suspects
    from telemetry.doctor import CheckResult, Status

    for name, other in suspects(os.environ):
        message = f"{name} is unknown and has no effect"
        yield CheckResult("variables", Status.WARNING, message, f"did you mean {other}?", kind="misspelt_variable")


def _warn_of_suspects() -> None:
    for result in _suspect_results():
        err.print(f"[yellow]warning:[/] {escape_markup(result.message)}; {escape_markup(result.remedy)}")
