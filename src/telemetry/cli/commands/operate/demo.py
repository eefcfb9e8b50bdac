"""Implements ``telemetry demo``: shows the main job in a temporary folder, with an embedded Kafka and no server."""

from __future__ import annotations

import json
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import typer
from pydantic import SecretStr
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from telemetry.cli.output.console import fail, out, progress
from telemetry.cli.output.examples import examples
from telemetry.config import AuditConfig, EncryptionConfig, StorageConfig, TelemetryConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.exceptions import TelemetryError
from telemetry.reader import DamagedRecord, KafkaSource, OpenedEvent, RawRecord, TrailReader
from telemetry.sync import Telemetry
from telemetry.system.deadline import Deadline
from telemetry.testing import EmbeddedKafka

_USERS = ("ada", "grace", "edsger", "barbara")
_FIRST, _DURING, _AFTER = 200, 300, 100
_PATIENCE = 20.0
_PAUSE = 0.02
_SHOWN = 72


app = typer.Typer(add_completion=False)


@app.command("demo", epilog=examples("telemetry demo"))
def demo() -> None:
    """See the library at work: seal, send, fall back, recover, read back. Needs no server and leaves nothing behind."""
    try:
        with tempfile.TemporaryDirectory(prefix="telemetry-demo-") as folder, EmbeddedKafka() as kafka:
            complete = _Demo(Path(folder), kafka).run()
    except TelemetryError as exc:
        raise fail(exc) from exc
    if not complete:
        raise typer.Exit(1)


class _Demo:
    def __init__(self, folder: Path, kafka: EmbeddedKafka) -> None:
        self._kafka = kafka
        self._store = folder / "fallback"
        self._config = TelemetryConfig(
            service_name="demo-shop",
            environment="demo",
            audit_config=AuditConfig(
                kafka_brokers=kafka.bootstrap_servers,
                security_protocol="PLAINTEXT",
                # Short limits, so that nobody waits long for the outage to be noticed.
                kafka_timeout_ms=500,
                max_retries=1,
                fallback_object_seconds=0.3,
                encryption_config=EncryptionConfig(
                    provider="local_key", key_path=folder / "key.json", passphrase=SecretStr(secrets.token_urlsafe(24))
                ),
                storage_config=StorageConfig(provider="local_file", base_path=self._store),
            ),
        )
        self._logged: dict[str, list[int]] = {user: [] for user in _USERS}
        self._number = 0

    def run(self) -> bool:
        with Telemetry(self._config) as telemetry:
            self._log_and_look(telemetry)
            self._outage(telemetry)
            self._recovery(telemetry)
            # Before the trail is read back, so that its last events and checkpoint are on the topic.
            telemetry.shutdown()
        return self._read_back()

    def _log_and_look(self, telemetry: Telemetry) -> None:
        _step(1, "An application logs events; each is sealed before log() returns")
        self._log(telemetry, _FIRST)
        # Delivered, not only accepted: the record is read back from the topic next.
        _wait(lambda: telemetry.audit.get_audit_stats().delivered >= _FIRST)
        raw = self._one_record()
        out.print(Panel(_as_on_the_wire(raw), title="one record, as it is on the Kafka topic", expand=False))
        event = next(entry.event for entry in self._read([raw]) if isinstance(entry, OpenedEvent))
        out.print(Panel(_pretty(event.to_dict()), title="the same record, opened with the key", expand=False))

    def _outage(self, telemetry: Telemetry) -> None:
        _step(2, "Kafka goes away; events go to the fallback store, still sealed")
        self._kafka.stop_brokers()
        self._log(telemetry, _DURING)
        # Nothing is queued any more once the fallback store has accepted everything.
        _wait(lambda: telemetry.audit.get_audit_stats().queued == 0)
        table = Table("object in the fallback store", "bytes")
        for path in sorted(self._store.rglob("*.jsonl")):
            table.add_row(_short(path.name), f"{path.stat().st_size:,}")
        out.print(table)

    def _recovery(self, telemetry: Telemetry) -> None:
        _step(3, "Kafka comes back; the fallback drains in order while new events queue behind")
        self._kafka.start_brokers()
        self._log(telemetry, _AFTER)
        with progress("replaying", total=_DURING) as (bar, task):

            def drained() -> bool:
                stats = telemetry.audit.get_audit_stats()
                bar.update(task, completed=stats.replayed)
                return stats.queued == 0 and not stats.diverted

            _wait(drained)
        left = sum(1 for _ in self._store.rglob("*.jsonl"))
        stats = telemetry.audit.get_audit_stats()
        out.print(
            f"   delivered [bold]{stats.delivered}[/], replayed [bold]{stats.replayed}[/], objects left [bold]{left}[/]"
        )

    def _read_back(self) -> bool:
        _step(4, "An auditor reads the trail back")
        read: dict[str, list[int]] = {user: [] for user in _USERS}
        with KafkaSource(self._config.audit_config) as source:
            for entry in self._read(source):
                if isinstance(entry, OpenedEvent):
                    read[entry.event.user_id].append(entry.event.payload["number"])
        # The promise is the order of each user; events of different users may be read in any order.
        table = Table("user", "logged", "read back", "in order")
        for user in _USERS:
            in_order = read[user] == self._logged[user]
            mark = Text("yes", style="green") if in_order else Text("NO", style="bold red")
            table.add_row(user, str(len(self._logged[user])), str(len(read[user])), mark)
        out.print(table)
        complete = read == self._logged
        total = sum(len(numbers) for numbers in read.values())
        style, verdict = (
            ("bold green", "nothing lost, nothing out of order") if complete else ("bold red", "INCOMPLETE")
        )
        out.print(Text(f"   {total} of {self._number} events: {verdict}", style=style))
        return complete

    def _log(self, telemetry: Telemetry, count: int) -> None:
        with progress("logging", total=count) as (bar, task):
            for _ in range(count):
                user = _USERS[self._number % len(_USERS)]
                # A card number: the record on the wire, which is shown, does not contain it.
                payload = {"number": self._number, "card": "4111 1111 1111 1111", "amount": "12.50"}
                telemetry.audit.log("payment_made", payload, user, session_id="demo-session", outcome="success")
                self._logged[user].append(self._number)
                self._number += 1
                bar.advance(task)

    def _one_record(self) -> RawRecord:
        with KafkaSource(self._config.audit_config) as source:
            return next(record for record in source if isinstance(record, RawRecord))

    def _read(self, source: Iterable[RawRecord | DamagedRecord]) -> TrailReader:
        config = self._config.audit_config.encryption_config
        provider = EncryptionProviderFactory.create(config) if config is not None else None
        return TrailReader(source, provider=provider)


def _step(number: int, text: str) -> None:
    out.print(f"\n[bold cyan]{number}.[/] [bold]{text}[/]")


def _wait(condition: Callable[[], bool]) -> None:
    deadline = Deadline(_PATIENCE)
    while not condition():
        if deadline.is_over:
            message = f"the demo made no progress within {_PATIENCE:g} s; run it again when this machine is less busy"
            raise TelemetryError(message)
        time.sleep(_PAUSE)


def _as_on_the_wire(raw: RawRecord) -> Text:
    value = json.loads(raw.value or b"{}")
    value = {name: _short(text) if isinstance(text, str) else text for name, text in value.items()}
    text = Text()
    text.append(f"key: {(raw.key or b'').decode()}\n", style="yellow")
    return text.append(json.dumps(value, indent=1))


def _pretty(value: object) -> Text:
    return Text(json.dumps(value, indent=1))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
