"""``telemetry verify``: hold the trail against the checkpoints that were signed; no right to decrypt is needed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from telemetry.cli.connection import Loader, with_connection
from telemetry.cli.console import err, neutral, out, progress, write_line
from telemetry.cli.trusted import trusted_keys
from telemetry.config import AuditConfig
from telemetry.reader import FallbackSource, KafkaSource, RawRecord
from telemetry.reader.entry import DamagedRecord
from telemetry.reader.report import render_html
from telemetry.reader.verdicts import VerificationReport
from telemetry.reader.verifier import Verifier
from telemetry.reader.verifier_state import VerifierState
from telemetry.storage import StorageProviderFactory

_COLOURS = {"complete": "green", "duplicate": "green", "unverifiable": "yellow", "truncated": "yellow"}


@with_connection
def verify(
    load: Loader,
    *,
    public_key: Annotated[
        list[str] | None,
        typer.Option(help="Key that may have signed, or a file of such keys. Repeatable: old keys stay trusted."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(help="Remember here what was verified; the next run must find the same past, or says so."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write an evidence report: one HTML page, complete in itself, to be filed.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Verify that nothing is missing, changed or reordered. Needs public keys only.

    Reads the topic from the beginning, and the fallback store too if one is configured: what waits there is not lost.
    Exit code: 0 fine, 3 tampered or reordered, 4 something is missing or cannot be proven, 6 the source cannot be read.

    [bold]Example[/]

      telemetry verify -c telemetry.toml --public-key audit.pub --report evidence.html
    """
    audit = load(encryption_enabled=False, fallback_enabled=False).audit_config
    keys = trusted_keys(public_key or [])
    known = VerifierState.load(state) if state is not None else None
    verifier = Verifier(keys, state=known, continued=False)
    with ExitStack() as stack, progress("verifying") as (bar, task):
        source = stack.enter_context(KafkaSource(audit, on_total=lambda total: bar.update(task, total=total)))
        for record in source:
            verifier.observe(record)
            bar.advance(task)
        for low_high in source.bounds.items():
            verifier.note_bounds(audit.kafka_topic, low_high[0], low=low_high[1][0], high=low_high[1][1])
        verifier.observe_all(_stored(audit, stack))
    now = datetime.now(UTC)
    found = verifier.report(now=now)
    if state is not None:
        verifier.state(now=now).save(state)
    if report is not None:
        scope = {"topic": audit.kafka_topic, "brokers": audit.kafka_brokers}
        if audit.storage_config is not None:
            scope["fallback store"] = audit.storage_config.provider
        report.write_text(render_html(found, scope=scope), "utf-8")
    if json:
        write_line(msgspec.json.encode(found.to_dict()).decode())
    else:
        _show(found)
    raise typer.Exit(found.exit_code)


def _stored(audit: AuditConfig, stack: ExitStack) -> Iterable[RawRecord | DamagedRecord]:
    if audit.storage_config is None:
        return ()
    store = stack.enter_context(StorageProviderFactory.create(audit.storage_config))
    return FallbackSource(store, topic=audit.kafka_topic)


def _show(found: VerificationReport) -> None:
    table = Table("producer", "service", "records", "proven", "duplicates", "verdict")
    for producer in found.producers:
        colour = _COLOURS.get(str(producer.verdict), "bold red")
        table.add_row(
            producer.producer,
            neutral(producer.source),
            f"{producer.records:,}",
            f"{producer.proven:,}",
            f"{producer.duplicates:,}",
            f"[{colour}]{producer.verdict}[/]",
        )
    out.print(table)
    for producer in found.producers:
        for finding in producer.findings:
            err.print(f"[yellow]{producer.producer}[/] {neutral(str(finding))}", markup=True)
    for finding in found.findings:
        err.print(neutral(str(finding)), style="yellow", markup=False)
    colour = _COLOURS.get(str(found.verdict), "bold red")
    out.print(f"[{colour}]{found.verdict}[/]")
