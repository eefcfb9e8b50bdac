"""Implements ``telemetry search``: finds events in an archive without any key, and opens them if that is asked."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telemetry.cli.archiving.search_options import SearchOptions, with_search
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.reader import Reader, Reason
from telemetry.cli.options.sources import NO_TOPIC, ArchiveUri, open_archive
from telemetry.cli.options.trust import PublicKeys, Trust, trust_policy
from telemetry.cli.output.console import err, escape_markup
from telemetry.cli.output.counter import EntryCounter
from telemetry.cli.output.examples import examples
from telemetry.exceptions import ConfigurationError, MissingExtraError, Problem, TamperedError
from telemetry.trail.trail import open_trail

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from telemetry.archive.reading.archive import ArchiveReader
    from telemetry.archive.searching.hits import Hit
    from telemetry.archive.searching.search import ArchiveSearch, Found
    from telemetry.config import TelemetryConfig

_MAX_NAMED = 20
_FEATURE = "searching an archive"

app = typer.Typer(add_completion=False)


class CountBy(StrEnum):
    """What events are counted by."""

    TYPE = "type"
    OUTCOME = "outcome"
    SERVICE = "service"
    DAY = "day"


@app.command(
    "search",
    epilog=examples(
        "telemetry search -c telemetry.toml --user ada --service shop --since 90d",
        "telemetry search -c telemetry.toml --archive s3://audit-archive --type 'order_*' --count-by day",
        'telemetry search -c telemetry.toml --user ada --open --reason "ticket 4711" --json | jq .payload',
    ),
)
@with_connection
@with_search
def search(
    load: Loader,
    asked: SearchOptions,
    *,
    archive: ArchiveUri = None,
    count_by: Annotated[CountBy | None, typer.Option("--count-by", help="Count the events instead.")] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME...",
            help="Print these columns; with --open, members of the event such as time,payload.client.ip.",
        ),
    ] = None,
    open_: Annotated[
        bool, typer.Option("--open", help="Decrypt what is found; needs its keys, and is recorded in the trail.")
    ] = False,
    public_key: PublicKeys = None,
    trust: Trust = None,
    reader: Reader = None,
    reason: Reason = None,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each event.")] = False,
) -> None:
    """Find events in an archive by what is in the clear. They stay sealed, and no key is needed.

    A user is found by the hash of the Kafka key, which each record has: with key_mode="hmac" the configuration must have its
    key_hmac_secret. Outcome, entity and other fields are found where the service projects them (clear_fields). Content is
    sealed: `telemetry export --from archive` opens events and looks into them.

    Each event is compared with its own value before it is shown. With --public-key or --trust it is shown with whether a
    checkpoint of the archive proves it. --open decrypts the events, after the read was recorded in the trail; each data key is
    asked for once. Counts are of records: copies count too, and no value is read.

    Exit code: 0, 3 when the archive was altered or a record is damaged, 5 when data keys were missing, 6 when the archive
    cannot be read, 7 when the read could not be recorded.
    """
    _require_fitting(count_by=count_by, columns=columns, opens=open_, sensitive=asked.with_sensitive)
    config = _config(load, asked, opens=open_)
    policy = trust_policy(public_key, trust, configured=config.audit_config.trust_file)
    with open_archive(config, archive, policy) as opened, _searching(opened, config) as searching:
        from telemetry.archive.searching.hit_source import HitSource
        from telemetry.cli.archiving.hit_display import HitDisplay
        from telemetry.cli.archiving.hit_table import show_counts

        searched = asked.searched
        if count_by is not None:
            show_counts(searching.count_by(searched, count_by), column=count_by, json=json)
            return
        display = HitDisplay(columns, opens=open_, json=json, with_sensitive=asked.with_sensitive)
        found = searching.find(searched, limit=asked.limit)
        if not found.hits:
            _explain_nothing(searching.lacking_columns(searched))
        if open_:
            _require_few_keys(found.hits, asked.most_keys)
        source = HitSource(
            opened,
            hits=found.hits,
            checkpoints=searching.checkpoints_of(found.hits) if policy is not None else (),
            asked=searched.describe(with_text=config.audit_config.encryption_enabled),
        )
        counter = EntryCounter()
        with open_trail(
            config,
            source,
            wanted=asked.filter if open_ else None,
            sealed=not open_,
            trust=policy,
            reader=reader,
            reason=reason,
            program="telemetry search",
        ) as trail:
            display.show(trail, found.hits, counter)
    _report_altered(found.altered)
    _summarize(found, counter, opens=open_)
    raise typer.Exit(TamperedError.exit_code if found.altered else counter.exit_code)


def _require_fitting(*, count_by: CountBy | None, columns: str | None, opens: bool, sensitive: bool) -> None:
    problems = []
    if count_by is not None and (opens or columns is not None):
        problems.append(Problem("--count-by", "counts, and shows no events", "leave out --open and --columns"))
    if sensitive and not opens:
        problems.append(Problem("--sensitive", "has no meaning for events that stay sealed", "leave it out"))
    if problems:
        raise ConfigurationError(*problems)


def _config(load: Loader, asked: SearchOptions, *, opens: bool) -> TelemetryConfig:
    """Return the configuration; what a search does not need, it does not have to have."""
    if opens:
        return load(fallback_enabled=False)
    if asked.filter.users or asked.filter.actors:
        # The keys of subjects are under the key of the trail: without it, only users without such keys are found.
        with suppress(ConfigurationError):
            return load(fallback_enabled=False, **NO_TOPIC)
    return load(fallback_enabled=False, encryption_enabled=False, subject_keys=None, **NO_TOPIC)


@contextmanager
def _searching(opened: ArchiveReader, config: TelemetryConfig) -> Iterator[ArchiveSearch]:
    try:
        from telemetry.archive.searching.engine import SearchEngine
        from telemetry.archive.searching.search import ArchiveSearch
    except ImportError as exc:
        raise MissingExtraError(_FEATURE, "archive") from exc
    with SearchEngine(opened.store) as engine:
        yield ArchiveSearch(opened, engine, config=config)


def _require_few_keys(hits: Sequence[Hit], most: int) -> None:
    """Say how often the key service will be asked; refuse if that is too often."""
    keys = len({hit.columns["kid"] for hit in hits if hit.columns["kid"] is not None})
    err.print(f"[dim]{len(hits):,} events under {keys:,} data keys: the key service is asked once for each[/]")
    if keys > most:
        reason = f"{keys:,} data keys would have to be opened"
        raise ConfigurationError(Problem("--most-keys", reason, "search for less, or raise it"))


def _explain_nothing(lacking: Sequence[str]) -> None:
    for column in lacking:
        err.print(
            f"[yellow]no event of the archive has {column} in the clear, so it cannot be searched for: the service's "
            "clear_fields decide that[/]",
            soft_wrap=True,
        )


def _report_altered(altered: Sequence[Hit]) -> None:
    for hit in altered[:_MAX_NAMED]:
        names = ", ".join(hit.differing)
        err.print(
            f"[red]{escape_markup(str(hit.place))}: the archive's columns {names} are not what the value says: it was "
            "altered, and is not among the events[/]",
            soft_wrap=True,
        )
    if len(altered) > _MAX_NAMED:
        err.print(f"[red]{len(altered) - _MAX_NAMED:,} further ones[/]")


def _summarize(found: Found, counter: EntryCounter, *, opens: bool) -> None:
    redacted = sum(hit.is_redacted for hit in found.hits)
    parts: dict[str, Any] = {"found": len(found.hits), "redacted": redacted, "altered": len(found.altered)}
    parts |= {"opened": counter.events, "damaged": counter.damaged, "not opened": counter.unopened} if opens else {}
    text = "  ".join(
        f"[bold]{count:,}[/] {name}" for name, count in parts.items() if count or name in ("found", "opened")
    )
    more = "; these were logged last, and there are more: raise --limit or narrow the search" if found.is_cut else ""
    err.print(text + more, soft_wrap=True)
    if counter.exit_code:
        err.print(f"[bold red]{escape_markup(counter.complaint())}[/]")
