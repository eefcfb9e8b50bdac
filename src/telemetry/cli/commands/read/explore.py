"""Implements ``telemetry explore``: shows the trail in a browser."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from telemetry.cli.exploring.options import ExploredOptions, with_exploring
from telemetry.cli.options.connection import ConfigLoader, with_connection
from telemetry.cli.output.examples import examples

app = typer.Typer(add_completion=False)


@app.command(
    "explore",
    epilog=examples(
        "telemetry explore -c telemetry.toml --since 30d --trust trust.toml",
        "telemetry explore -c telemetry.toml --file copy.jsonl --right sealed",
        "telemetry explore -c explorer.toml --listen https://0.0.0.0:8443 --tls-certificate tls.crt --tls-key tls.key",
    ),
)
@with_connection
@with_exploring
def explore(
    load: ConfigLoader,
    explored: ExploredOptions,
    served: dict[str, Any],
    *,
    right: Annotated[
        str,
        typer.Option(
            metavar="sealed|reader|exporter",
            help="What the holder of the link may do; where persons sign in, the configuration says it.",
        ),
    ] = "exporter",
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Whether to open the link, if there is a screen.")
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="Print address and link as JSON.")] = False,
) -> None:
    """Show the trail in a browser: look, filter, verify, and file evidence. Who looks at what is recorded in the trail.

    Without a configured sign-in it serves one person at this machine, who gets a link that can be used once. Events are kept in
    memory, bounded by --most, and are gone when it ends. Content is shown only after a reason was given in the browser and
    recorded. With --right sealed nothing is opened, and no key is needed.

    Ctrl-C ends it.

    Exit code: 0, also after a signal; 2 for a wrong configuration, 6 when the record of looks cannot be started.
    """
    from telemetry.cli.exploring.starting import explore_trail

    explore_trail(load, explored, served, right=right, browser=browser, json=json)
