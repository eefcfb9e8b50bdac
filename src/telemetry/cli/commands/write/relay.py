"""Implements ``telemetry relay``: delivers what applications have written into the outbox of their database."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from telemetry.cli.feeding.metrics_option import MetricsAddress, serving_metrics
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.console import err, escape_markup, write_line
from telemetry.cli.output.examples import examples

app = typer.Typer(add_completion=False)


@app.command(
    "relay",
    epilog=examples(
        "telemetry relay -c relay.toml",
        "telemetry relay -c relay.toml --metrics-listen http://127.0.0.1:9465",
        "telemetry relay -c relay.toml --database postgresql://relay@db.example.com/shop --json",
        "telemetry relay -c relay.toml --once",
        "telemetry relay -c relay.toml --held",
        "telemetry relay --schema postgresql | psql shop",
    ),
)
@with_connection
def relay(
    load: Loader,
    *,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="postgresql://USER@HOST/NAME or sqlite:///FOLDER/FILE; default: outbox_config."
        ),
    ] = None,
    database_file: Annotated[
        Path | None, typer.Option(help="File whose first line is that URL, since it may hold a password.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="Name of the table; default: telemetry_outbox.")] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Rows that are on their way at once; default: 500.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Relay what is in the table now, and end.")] = False,
    held: Annotated[bool, typer.Option("--held", help="List the rows that are held, and end.")] = False,
    retry_held: Annotated[
        bool, typer.Option("--retry-held", help="Have the rows that are held relayed again, and end.")
    ] = False,
    schema: Annotated[
        str | None,
        typer.Option(metavar="DIALECT", help="Print the SQL that creates the table (postgresql or sqlite), and end."),
    ] = None,
    metrics_listen: MetricsAddress = None,
    json: Annotated[bool, typer.Option("--json", help="Print counts or rows as JSON.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for delivery at the end.")] = 30.0,
) -> None:
    """Deliver the events that applications have written into the outbox of their database, and delete each afterwards.

    It needs the database, Kafka and the signing key, and no right to any encryption key: relay_only = true in its configuration.
    Of several relays of a table one works, and the others take over when it ends. While database or Kafka are away it tries
    again.

    SIGTERM, SIGHUP and SIGINT end it: the rows that are on their way are delivered and deleted first.

    Exit code: 0, also after a signal; 2 for a wrong configuration or table, 6 when --once did not reach the database or found
    another relay at work, 7 when some events could not be kept anywhere.
    """
    from telemetry.cli.feeding.relaying import RelayRun, chosen_outbox
    from telemetry.outbox.schema import DEFAULT_TABLE, create_table_sql

    if schema is not None:
        write_line(create_table_sql(schema, table=table or DEFAULT_TABLE).rstrip())
        return
    config = load()
    chosen = chosen_outbox(config, database=database, database_file=database_file, table=table, batch_rows=batch)
    run = RelayRun(config, chosen, timeout=timeout, json=json)
    if held:
        run.list_held()
    elif retry_held:
        run.release_held()
    else:
        with serving_metrics(metrics_listen, service=config.service_name):
            counts = run.drain() if once else run.until_signal()
        if json and sys.stdout is not None:
            write_line(msgspec.json.encode(asdict(counts)).decode())
        shown = {"relayed": counts.relayed, "held": counts.held, "waiting": counts.waiting, "failures": counts.failures}
        err.print("  ".join(f"[bold]{value}[/] {escape_markup(name)}" for name, value in shown.items()))
