"""Implements ``telemetry prove``: writes proofs that events are part of the signed trail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.sources import NO_TOPIC, ArchiveUri, FromTrail, TrailOrigin, archive_place, require_one_place
from telemetry.cli.options.trust import PublicKeys, Trust, require_trust
from telemetry.cli.options.wanted_events import wanted_events
from telemetry.cli.output.bars import Bars
from telemetry.cli.output.console import err, escape_control, escape_markup, fail, write_line
from telemetry.cli.output.examples import examples
from telemetry.cli.output.new_file import new_file
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.proof.checkpoint import read_unverified
from telemetry.format.proof.inclusion import encode_proof
from telemetry.trail.proving import ProvenEvent, UnprovenEvent, prove_events

app = typer.Typer(add_completion=False)


@app.command(
    "prove",
    epilog=examples(
        "telemetry prove 0198c0de-1111-7222-8333-444455556666 -c telemetry.toml --trust trust.toml",
        "telemetry prove --ids ids.txt --out proofs -c telemetry.toml --trust trust.toml",
    ),
)
@with_connection
def prove(
    load: Loader,
    event_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="EVENT_ID...", help="The event's id, as `tail --json` shows it; at most 1,000 of them."),
    ] = None,
    *,
    ids: Annotated[Path | None, typer.Option("--ids", help="File with the ids of events, one a line.")] = None,
    public_key: PublicKeys = None,
    trust: Trust = None,
    origin: FromTrail = TrailOrigin.TRAIL,
    archive: ArchiveUri = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File to write; default: EVENT_ID.proof.json. It must not exist. With several events or --ids: the folder of"
            " these files; it is created if it is absent.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what became of each event as a line of JSON.")] = False,
) -> None:
    """Write proofs that events are part of the signed trail. Needs public keys only; the events stay sealed in them.

    The trail is read twice, however many events there are. Those that are proven are written, also if others are not. With
    --from archive the archive is read, and of it the days and the producers of the events alone.

    Exit code: 0, 3 when a record was altered, 4 when an event or a part of its proof is missing, 6 when the trail
    cannot be read.
    """
    wanted = wanted_events(event_ids or (), ids)
    is_batch = ids is not None or len(wanted) > 1
    targets = _targets(wanted, file, is_batch=is_batch)
    require_one_place(origin, archive, None)
    unneeded = NO_TOPIC if origin is TrailOrigin.ARCHIVE else {}
    config = load(encryption_enabled=False, fallback_enabled=False, **unneeded)
    policy = require_trust(public_key, trust, configured=config.audit_config.trust_file)
    if is_batch and file is not None:
        _create_folder(file)
    with ExitStack() as stack:
        place = None
        if origin is TrailOrigin.ARCHIVE:
            place = stack.enter_context(archive_place(config, archive, policy))
        outcomes = prove_events(config, wanted, policy=policy, progress=Bars(), place=place)
        if is_batch:
            _write_all(outcomes, targets, json=json)
        else:
            (outcome,) = outcomes
            _write_one(outcome, targets[outcome.event_id], json=json)


def _targets(event_ids: Iterable[str], out: Path | None, *, is_batch: bool) -> dict[str, Path]:
    """Return the file of each proof; none of them exists."""
    folder = out or Path()
    if is_batch:
        targets = {event_id: folder / f"{event_id}.proof.json" for event_id in event_ids}
    else:
        targets = {event_id: out or Path(f"{event_id}.proof.json") for event_id in event_ids}
    taken = next((target for target in targets.values() if target.exists()), None)
    if taken is not None:
        remedy = "choose another folder" if is_batch else "choose another name"
        raise ConfigurationError(Problem("--out", f"{taken} exists already", remedy))
    return targets


def _create_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        problem = Problem("--out", f"{folder} cannot be a folder: {exc.strerror}", "choose another place")
        raise ConfigurationError(problem) from exc


def _write_one(outcome: ProvenEvent | UnprovenEvent, target: Path, *, json: bool) -> None:
    if isinstance(outcome, ProvenEvent):
        _write(outcome, target)
    if json:
        _print_json(outcome, target)
    if isinstance(outcome, UnprovenEvent):
        raise outcome.error
    for judgement in outcome.believed:
        err.print(Text(escape_control(f"signed by {judgement.signer}: {judgement.why}"), style="dim"))
    gateway = _gateway(outcome)
    if gateway is not None:
        err.print(Text(escape_control(f"logged through {gateway}"), style="dim"))
    err.print(f"proof written to [bold]{escape_markup(str(target))}[/]")


def _write_all(outcomes: Iterable[ProvenEvent | UnprovenEvent], targets: Mapping[str, Path], *, json: bool) -> None:
    """Write the proofs that there are, and end with the exit code of the worst failure."""
    origins, failures = Counter[str](), list[int]()
    for outcome in outcomes:
        target = targets[outcome.event_id]
        if isinstance(outcome, ProvenEvent):
            _write(outcome, target)
            gateway = _gateway(outcome)
            origins.update(f"signed by {judgement.signer}" for judgement in outcome.believed)
            origins.update([f"logged through {gateway}"] if gateway is not None else ())
        else:
            failures.append(fail(outcome.named_error()).exit_code)
        if json:
            _print_json(outcome, target)
    for origin, count in origins.items():
        err.print(Text(escape_control(f"{origin}: {count:,}"), style="dim"))
    folder = next(iter(targets.values())).parent
    written = len(targets) - len(failures)
    err.print(f"{written:,} of {len(targets):,} proofs written to [bold]{escape_markup(str(folder))}[/]")
    if failures:
        # An altered record (3) is worse than a missing one (4).
        raise typer.Exit(min(failures))


def _write(outcome: ProvenEvent, target: Path) -> None:
    with new_file(target, replace=False) as stream:
        stream.write(encode_proof(outcome.proof))


def _gateway(outcome: ProvenEvent) -> str | None:
    return read_unverified(outcome.proof.checkpoint)[1].via


def _print_json(outcome: ProvenEvent | UnprovenEvent, target: Path) -> None:
    facts: dict[str, str | bool] = {"id": outcome.event_id, "proven": isinstance(outcome, ProvenEvent)}
    if isinstance(outcome, ProvenEvent):
        gateway = _gateway(outcome)
        facts |= {"file": str(target)} | ({"logged_through": gateway} if gateway is not None else {})
        facts["signed_by"] = ", ".join(judgement.signer for judgement in outcome.believed)
        facts["believed_because"] = "; ".join(judgement.why for judgement in outcome.believed)
    else:
        facts["error"] = str(outcome.error)
    write_line(msgspec.json.encode(facts).decode())
