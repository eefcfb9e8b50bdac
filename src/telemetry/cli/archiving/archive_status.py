"""Shows what an archive has, and how far it is behind its topic."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec
from rich.table import Table

from telemetry.archive.reading.place import archive_name, archive_store_config, open_archive_store
from telemetry.archive.writing.status import SealedContent, TopicLag, sealed_content, topic_lag
from telemetry.archive.writing.table_lag import TableLag, table_lag
from telemetry.archive.writing.topic_view import TopicView
from telemetry.cli.output.console import err, escape_markup, out, write_line
from telemetry.config import TelemetryConfig
from telemetry.exceptions import IncompleteError
from telemetry.reader.seals.store import SealStore

_ALARM_CODE = 1


def show_status(config: TelemetryConfig, *, uri: str | None, json: bool) -> int:
    """Print the status of an archive; return the exit code.

    Args:
        config: The trail and the archive.
        uri: Place of the archive, instead of that of the configuration.
        json: Whether to print it as JSON.

    Raises:
        TelemetryError: Kafka, the store or the catalog cannot be reached; or there is no archive.
    """
    storage = archive_store_config(uri, config)
    with open_archive_store(storage) as store, TopicView(config.audit_config) as view:
        state, content = sealed_content(SealStore(store))
        table = table_lag(config, store, state)
        lag = topic_lag(view, state)
    if json:
        write_line(msgspec.json.encode(_as_json(archive_name(storage), content, table, lag)).decode())
    else:
        _show(archive_name(storage), content, table, lag)
    _warn(table, lag)
    if lag.lost:
        return IncompleteError.exit_code
    return _ALARM_CODE if lag.is_alarming else 0


def _as_json(name: str, content: SealedContent, table: TableLag, lag: TopicLag) -> dict[str, Any]:
    return {
        "location": name,
        **asdict(content),
        "table": asdict(table),
        "topic": {
            "name": lag.topic,
            "records": lag.records,
            "seconds": round(lag.seconds, 3),
            "lost": lag.lost,
            "retention_seconds": lag.retention_seconds,
            "is_alarming": lag.is_alarming,
            "partitions": [asdict(each) for each in lag.partitions],
        },
    }


def _show(name: str, content: SealedContent, table: TableLag, lag: TopicLag) -> None:
    rows = {
        "archive": f"{name} ({content.archive})",
        "last seal": f"{content.number} ({content.kind}), {content.time}",
        "digest": content.digest,
        "rows": f"{content.rows:,} live, {content.records:,} archived in all",
        "files": f"{content.files:,} live, {content.size:,} bytes",
        "table": table.text,
        "lost": f"{content.lost:,} offsets, by the seals since {content.first_looked_at}",
        "behind": f"{lag.records:,} records, {lag.seconds:,.0f} s",
        "topic": f"{lag.topic}, kept {_kept(lag.retention_seconds)}",
    }
    for label, text in rows.items():
        out.print(f"[bold]{label:<10}[/] {escape_markup(text)}")
    shown = Table("partition", "archived to", "topic has", "records", "seconds", "lost")
    for each in lag.partitions:
        seconds = "" if each.seconds is None else f"{each.seconds:,.0f}"
        has = f"{each.first:,} to {each.end:,}"
        shown.add_row(str(each.partition), f"{each.position:,}", has, f"{each.records:,}", seconds, f"{each.lost:,}")
    out.print(shown)


def _kept(seconds: float | None) -> str:
    return "for ever, or not known" if seconds is None else f"{seconds / 86_400:g} days"


def _warn(table: TableLag, lag: TopicLag) -> None:
    if lag.lost:
        err.print(f"[bold red]{lag.lost:,} records were deleted before they were archived: lengthen retention.ms[/]")
    elif lag.is_alarming:
        err.print(
            "[bold yellow]half of the topic's retention is over for records that are not archived: archive more often[/]"
        )
    if table.remedy:
        err.print(f"[yellow]{escape_markup(table.remedy)}[/]")
