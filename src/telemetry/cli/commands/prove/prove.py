"""Implements ``telemetry prove``: writes a proof that one event is part of the signed trail."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.records import trail_records
from telemetry.cli.options.trust import PublicKeys, Trust, require_trust
from telemetry.cli.output.console import err, escape_control, escape_markup
from telemetry.cli.output.examples import examples
from telemetry.cli.output.new_file import new_file
from telemetry.exceptions import ConfigurationError, IncompleteError, Problem, TamperedError, VerificationError
from telemetry.format.proof.checkpoint import read_unverified
from telemetry.format.proof.inclusion import InclusionProof, encode_proof
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.message import parse
from telemetry.reader import DamagedRecord, RawRecord
from telemetry.reader.prove.find import find_positions
from telemetry.reader.prove.prover import MAX_CANDIDATES, Prover
from telemetry.reader.trust import Judgement, TrustPolicy

app = typer.Typer(add_completion=False)


@app.command(
    "prove",
    epilog=examples("telemetry prove 0198c0de-1111-7222-8333-444455556666 -c telemetry.toml --trust trust.toml"),
)
@with_connection
def prove(
    load: Loader,
    event_id: Annotated[str, typer.Argument(help="The event's id, as `tail --json` shows it.")],
    *,
    public_key: PublicKeys = None,
    trust: Trust = None,
    file: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; default: EVENT_ID.proof.json. It must not exist.")
    ] = None,
) -> None:
    """Write a proof that an event is part of the signed trail. Needs public keys only; the event stays sealed in it.

    Exit code: 0, 3 when the record was altered, 4 when the event or a part of the proof is missing, 6 when the trail
    cannot be read.
    """
    if not is_uuid(event_id):
        raise ConfigurationError(Problem("EVENT_ID", "is not the id of an event", "copy it from `tail --json`"))
    target = file or Path(f"{event_id}.proof.json")
    if target.exists():
        raise ConfigurationError(Problem("--out", f"{target} exists already", "choose another name"))
    config = load(encryption_enabled=False, fallback_enabled=False)
    policy = require_trust(public_key, trust, configured=config.audit_config.trust_file)
    # 1. Find each position in a producer's stream that claims the event; forged records can add positions.
    candidates = _candidates(trail_records(config, "looking for the event"), event_id, policy)
    provers = [Prover(producer, sequence, trusted=policy, source=source) for producer, source, sequence in candidates]
    # 2. Collect the records and checkpoints that prove each of them, in one pass over the trail.
    for record in trail_records(config, "collecting the proof"):
        for prover in provers:
            prover.observe(record)
    # 3. Keep the first that holds: a signature covers one record at each position.
    proof, believed = _first_proof(provers, event_id)
    with new_file(target, replace=False) as stream:
        stream.write(encode_proof(proof))
    for judgement in believed:
        err.print(Text(escape_control(f"signed by {judgement.signer}: {judgement.why}"), style="dim"))
    gateway = read_unverified(proof.checkpoint)[1].via
    if gateway is not None:
        err.print(Text(escape_control(f"logged through {gateway}"), style="dim"))
    err.print(f"proof written to [bold]{escape_markup(str(target))}[/]")


def _candidates(
    records: Iterable[RawRecord | DamagedRecord], event_id: str, policy: TrustPolicy
) -> list[tuple[str, str, int]]:
    """Return producer, source and sequence of each record that may be the event."""
    positions = find_positions(records, event_id, policy=policy)
    if not positions:
        message = f"event {event_id} is not in the trail that was read"
        raise IncompleteError(message)
    return positions[:MAX_CANDIDATES]


def _first_proof(provers: list[Prover], event_id: str) -> tuple[InclusionProof, tuple[Judgement, ...]]:
    errors: list[VerificationError] = []
    for prover in provers:
        try:
            proof = prover.proof()
        except VerificationError as exc:
            errors.append(exc)
            continue
        if parse(proof.value).attributes["id"] == event_id:
            return proof, prover.believed
        message = f"the record that was signed in the place of event {event_id} is another one"
        errors.append(TamperedError(message))
    raise errors[0]
