"""Runs the relay of ``telemetry relay``: until a signal, once, or to look after the rows that are held."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
from pydantic import SecretStr

from telemetry.cli.output.console import err, escape_control, escape_markup, out, write_line
from telemetry.config import TelemetryConfig
from telemetry.config.outbox import OutboxConfig
from telemetry.config.secret_files import read_secret
from telemetry.exceptions import ConfigurationError, OutboxError, OutboxTableError, Problem
from telemetry.ingest.stop_signals import StopSignals
from telemetry.outbox import OutboxRelay, RelayCounts, open_database
from telemetry.outbox.database import OutboxDatabase
from telemetry.sync import Telemetry

_SHOW_SECONDS = 10.0
_LISTED_ROWS = 1_000


def chosen_outbox(
    config: TelemetryConfig,
    *,
    database: str | None,
    database_file: Path | None,
    table: str | None,
    batch_rows: int | None,
) -> OutboxConfig:
    """Return what the options say, else the configuration.

    Raises:
        ConfigurationError: Neither names a database, or a value cannot be used.
    """
    if database is not None and database_file is not None:
        raise ConfigurationError(Problem("--database-file", "is given beside --database", "keep one of them"))
    url = SecretStr(database) if database is not None else read_secret(database_file) if database_file else None
    given = {"database": url, "table": table, "batch_rows": batch_rows}
    known = {} if config.outbox_config is None else config.outbox_config.handed_over()
    values = known | {name: value for name, value in given.items() if value is not None}
    if values.get("database") is None:
        remedy = "give --database, or outbox_config in the configuration"
        raise ConfigurationError(Problem("outbox_config.database", "is missing", remedy))
    return OutboxConfig(**values)


class RelayRun:
    """One run of ``telemetry relay``.

    Args:
        config: The configuration of the pipeline.
        outbox: The table, and how it is read.
        timeout: Seconds for delivery at the end.
        json: Print rows as JSON.
    """

    def __init__(self, config: TelemetryConfig, outbox: OutboxConfig, *, timeout: float, json: bool) -> None:
        self._config = config
        self._outbox = outbox
        self._timeout = timeout
        self._json = json

    def until_signal(self) -> RelayCounts:
        """Relay until a signal comes; return the counts.

        Raises:
            OutboxTableError: There is no such table, or it may not be used.
            TelemetryError: The pipeline cannot be started, or some events could not be kept anywhere.
        """
        with StopSignals() as stop, Telemetry(self._config) as telemetry:
            relay = self._relay(telemetry)
            self._require_table()
            relay.start()
            try:
                shown = None
                while not stop.pause(_SHOW_SECONDS):
                    shown = self._show(relay.counts, shown)
            finally:
                relay.stop(self._timeout)
            return relay.counts

    def drain(self) -> RelayCounts:
        """Relay what is in the table; return the counts, errors as :meth:`until_signal`."""
        with Telemetry(self._config) as telemetry:
            return self._relay(telemetry).drain(timeout=self._timeout)

    def list_held(self) -> None:
        """Print the rows that are held."""
        with self._open() as database:
            database.connect()
            for row in database.held(_LISTED_ROWS):
                sealed = datetime.fromtimestamp(row.created_ms / 1_000, UTC).isoformat(timespec="seconds")
                if self._json:
                    write_line(msgspec.json.encode(row).decode())
                else:
                    out.print(escape_control(f"{row.id}  {row.event_id}  {sealed}  {row.reason}"), markup=False)

    def release_held(self) -> None:
        """Have the rows that are held relayed again."""
        with self._open() as database:
            database.connect()
            count = database.release_held()
        err.print(f"[bold]{count}[/] rows are relayed again")

    def _relay(self, telemetry: Telemetry) -> OutboxRelay:
        return OutboxRelay(
            telemetry,
            self._open(),
            table=self._outbox.table,
            batch_rows=self._outbox.batch_rows,
            poll_seconds=self._outbox.poll_seconds,
        )

    def _require_table(self) -> None:
        """End at once where waiting cannot help; a database that is away may come back."""
        with self._open() as database:
            try:
                database.connect()
            except OutboxTableError:
                raise
            except OutboxError as exc:
                err.print(f"[yellow]{escape_markup(str(exc))}; trying again[/]")

    def _open(self) -> OutboxDatabase:
        url = self._outbox.database
        return open_database(url.get_secret_value() if url else "", table=self._outbox.table)

    @staticmethod
    def _show(counts: RelayCounts, shown: RelayCounts | None) -> RelayCounts:
        if counts != shown:
            state = (
                "leader" if counts.is_leader else "waiting for the leader" if not counts.last_error else "trying again"
            )
            err.print(
                f"{state}: {counts.relayed} relayed, {counts.waiting} waiting, {counts.held_rows} held", style="dim"
            )
        return counts
