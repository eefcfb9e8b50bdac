"""Implements ``telemetry verify``: verifies the trail against signed checkpoints, without any right to decrypt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from telemetry.cli.archiving.verifying import ArchiveOptions, JudgedAs, with_archive
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.judging import Judging, with_judging
from telemetry.cli.options.sources import NO_TOPIC
from telemetry.cli.output.bars import Bars
from telemetry.cli.output.console import err, write_line
from telemetry.cli.output.examples import examples
from telemetry.cli.output.new_file import new_file
from telemetry.cli.output.verification import show_report
from telemetry.config import TelemetryConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader.verify.state import VerifierState
from telemetry.reader.verify.verdicts import VerificationReport
from telemetry.reader.verify.verifier import Verifier
from telemetry.trail.copied import CopiedTrail
from telemetry.trail.verifying import read_into
from telemetry.version import __version__

app = typer.Typer(add_completion=False)


@app.command(
    "verify",
    epilog=examples(
        "telemetry verify -c telemetry.toml --public-key audit.pub --report evidence.html",
        "telemetry verify -c telemetry.toml --trust trust.toml --state audit.state --continue --live 30",
        "telemetry verify --from archive --archive /srv/archive --trust trust.toml --jobs 8",
    ),
)
@with_connection
@with_judging
@with_archive
def verify(
    load: Loader,
    judging: Judging,
    archive: ArchiveOptions,
    *,
    state: Annotated[
        Path | None,
        typer.Option(help="File that remembers what was verified; the next run fails if the past has changed."),
    ] = None,
    continue_: Annotated[
        bool,
        typer.Option("--continue", help="With --state: read only what is new since the last run, not the past again."),
    ] = False,
    expect_state: Annotated[
        str | None,
        typer.Option(metavar="SHA256", help="Fail unless the state has this digest, as the last report shows it."),
    ] = None,
    live: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="A producer whose last checkpoint is at most this many seconds old is treated as still running.",
        ),
    ] = 0.0,
    after_retention: Annotated[
        bool, typer.Option(help="The topic's beginning was deleted on purpose: do not report it as missing.")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", help="A file instead of topic and store: from `export --sealed`, `fallback export` or `kcat -J`."
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write an evidence report to this file: one self-contained HTML page.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Verify that nothing is missing, changed or reordered. Needs public keys only.

    Reads the topic from the beginning, and the fallback store too if one is configured: events that wait there are not
    lost. With --file a copy is verified in their place, by its own word for where each record was; with --from archive an
    archive, with its seals and data files.

    Records that no trusted key proves are foreign: anyone who may write to the topic can add them. They are counted, and are
    a finding only where a trusted producer lacks a record or has a rival for one.

    Exit code: 0 when everything is proven, 3 when something was tampered with or reordered, 4 when something is missing or
    cannot be proven, 6 when the source cannot be read.
    """
    archive.require_fitting(file)
    reads_topic = file is None and not archive.is_read
    if not reads_topic:
        _require_offline(judging, state, option="--from archive" if archive.is_read else "--file")
    config = load(encryption_enabled=False, fallback_enabled=False, **({} if reads_topic else NO_TOPIC))
    # Keys and state are checked before the trail is read, which can take hours.
    policy = judging.policy(config.audit_config)
    if state is None and (continue_ or expect_state is not None):
        raise ConfigurationError(Problem("--state", "is missing", "give it: --continue and --expect-state need it"))
    known = VerifierState.load(state, expected_digest=expect_state) if state is not None else None
    now = datetime.now(UTC)
    judged = JudgedAs(
        now=now, open_seconds=live, from_start=not after_retention, acknowledged=judging.acknowledged(policy, now)
    )
    if archive.is_read:
        result, scope = archive.verify(config, policy, judging, judged), {"read with": f"telemetry {__version__}"}
    else:
        # The first run has no state to continue from, and reads everything.
        continued = continue_ and known is not None
        verifier = Verifier(
            policy,
            state=known,
            continued=continued,
            open_seconds=live,
            from_start=judged.from_start,
            expected=judging.expected,
            acknowledged=judged.acknowledged,
            witnessed=judging.witnessed(policy, config.audit_config),
        )
        starts = known.positions.get(config.audit_config.kafka_topic) if continued and known is not None else None
        result, scope = _read(verifier, config, file=file, starts=starts, now=now)
        # The state before the report, because the report quotes its digest.
        if state is not None:
            scope["state written, SHA-256"] = digest = _save(verifier.state(now=now), state)
            err.print(f"state written; SHA-256 for the next run's --expect-state: {digest}", style="dim")
    result = replace(result, notes=(*judged.acknowledged.notes(), *result.notes))
    if report is not None:
        from telemetry.reader.verify.html_report import render_html

        with new_file(report, replace=True, option="--report") as stream:
            stream.write(render_html(result, scope=scope).encode())
    code = judging.exit_code(result)
    if json:
        values = result.to_dict() | {"exit_code": code, "state": scope.get("state written, SHA-256")}
        write_line(msgspec.json.encode(values).decode(), exit_code=code)
    else:
        show_report(result, with_foreign=judging.shows_foreign)
    raise typer.Exit(code)


def _read(
    verifier: Verifier, config: TelemetryConfig, *, file: Path | None, starts: Mapping[int, int] | None, now: datetime
) -> tuple[VerificationReport, dict[str, str]]:
    """Read a file, or topic and store, into the verifier; return the report, and what was read."""
    if file is None:
        scope = read_into(verifier, config, starts=starts, progress=Bars())
        return verifier.report(now=now), scope
    copied = CopiedTrail(file)
    scope = copied.read(verifier, config, progress=Bars())
    report = verifier.report(now=now)
    return replace(report, notes=(*copied.notes(), *report.notes)), scope


def _require_offline(judging: Judging, state: Path | None, *, option: str) -> None:
    """Refuse what goes with a topic only."""
    problems = []
    if state is not None:
        reason = "remembers offsets of the topic, which is not read"
        problems.append(Problem("--state", reason, f"leave --state or {option} out"))
    if judging.reads_topic:
        reason = f"looks for rosters on the topic, which is not read with {option}"
        problems.append(Problem("--require-witness", reason, "name their place with --roster"))
    if problems:
        raise ConfigurationError(*problems)


def _save(state: VerifierState, path: Path) -> str:
    state.save(path)
    return state.digest
