"""Implements ``manage.py audit_relay``: delivers the outbox of a database of the project."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from telemetry.config import TelemetryConfig
from telemetry.exceptions import TelemetryError
from telemetry.integrations.django.outbox.writer import outbox_database
from telemetry.outbox import OutboxRelay, RelayCounts
from telemetry.sync import Telemetry


class Command(BaseCommand):
    """Delivers the events that the project has written into its outbox, until SIGTERM or SIGINT."""

    help = "Deliver the events of the audit outbox to Kafka, and delete each afterwards. Needs no right to any key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--config", help="TOML file; default: TELEMETRY['config'], else TELEMETRY_* variables")
        parser.add_argument("--database", default="default", help="alias of the database")
        parser.add_argument("--once", action="store_true", help="relay what is in the table now, and end")
        parser.add_argument("--timeout", type=float, default=30.0, help="seconds to wait for delivery at the end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Relay.

        Raises:
            CommandError: Configuration, table or database cannot be used, or some events could not be kept anywhere.
        """
        del args
        try:
            counts = self._relay(options)
        except TelemetryError as exc:
            raise CommandError(str(exc), returncode=exc.exit_code) from exc
        self.stdout.write(f"{counts.relayed} relayed, {counts.held} held, {counts.waiting} waiting")

    def _relay(self, options: dict[str, Any]) -> RelayCounts:
        with Telemetry(_config(options["config"])) as telemetry:
            relay = OutboxRelay(telemetry, outbox_database(options["database"]))
            if options["once"]:
                return relay.drain(timeout=options["timeout"])
            ended = threading.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda _number, _frame: ended.set())
            relay.start()
            ended.wait()
            relay.stop(options["timeout"])
            return relay.counts


def _config(option: str | None) -> TelemetryConfig:
    given = option or getattr(settings, "TELEMETRY", {}).get("config")
    if given is None or isinstance(given, str | Path):
        return TelemetryConfig.load(given)
    return given if isinstance(given, TelemetryConfig) else TelemetryConfig(**given)
