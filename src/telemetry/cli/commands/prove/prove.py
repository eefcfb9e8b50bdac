"""``telemetry prove`` and ``telemetry verify-proof``: show that one event is part of what was signed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.public_keys import trusted_keys
from telemetry.cli.options.records import trail_records
from telemetry.cli.output.console import err, fail, neutral, out, write_line
from telemetry.cli.output.new_file import new_file
from telemetry.exceptions import (
    ConfigurationError,
    IncompleteError,
    Problem,
    TamperedError,
    TelemetryError,
    VerificationError,
)
from telemetry.format.proof.inclusion import MAX_PROOF_BYTES, InclusionProof, ProvenRecord, encode_proof, verify_proof
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.message import parse
from telemetry.reader import DamagedRecord, RawRecord
from telemetry.reader.prove.find import find_event
from telemetry.reader.prove.prover import MAX_CANDIDATES, Prover

PublicKeys = Annotated[
    list[str] | None,
    typer.Option("--public-key", help="Key that may have signed, or a file of such keys. Repeatable."),
]


@with_connection
def prove(
    load: Loader,
    event_id: Annotated[str, typer.Argument(help="The event's id, as `tail --json` shows it.")],
    *,
    public_key: PublicKeys = None,
    file: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; default: EVENT_ID.proof.json. It must not exist.")
    ] = None,
) -> None:
    """Write a proof that an event is part of the signed trail. Needs public keys only; the event stays sealed in it.

    Exit code: 0, 3 when the record was altered, 4 when the event or what the proof needs is missing, 6 when the trail
    cannot be read.

    [bold]Example[/]

      telemetry prove 0198c0de-1111-7222-8333-444455556666 -c telemetry.toml --public-key audit.pub
    """
    keys = trusted_keys(public_key or [])
    if not is_uuid(event_id):
        raise ConfigurationError(Problem("EVENT_ID", "is not the id of an event", "take it from `tail --json`"))
    target = file or Path(f"{event_id}.proof.json")
    if target.exists():
        raise ConfigurationError(Problem("--out", f"{target} exists already", "choose another name"))
    audit = load(encryption_enabled=False, fallback_enabled=False).audit_config
    candidates = _candidates(trail_records(audit, "looking for the event"), event_id)
    provers = [Prover(producer, sequence, trusted=keys) for producer, sequence in candidates]
    for record in trail_records(audit, "collecting the proof"):
        for prover in provers:
            prover.observe(record)
    proof = encode_proof(_first_proof(provers, event_id))
    with new_file(target, replace=False) as stream:
        stream.write(proof)
    err.print(f"proof written to [bold]{neutral(str(target))}[/]")


def verify_proof_file(
    file: Annotated[Path, typer.Argument(help="What `telemetry prove` wrote.")],
    *,
    public_key: PublicKeys = None,
    event_id: Annotated[
        str | None, typer.Option("--event-id", help="The event that the proof must be of; others are refused.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was proven as JSON.")] = False,
) -> None:
    """Check a proof file offline: no Kafka, no key service, public keys only.

    Whatever the file's name says: look at the id that is shown, or have it compared by --event-id.
    Exit code: 0 when the event is part of what was signed, 3 when it is not, or is another event, or the file is no proof.

    [bold]Example[/]

      telemetry verify-proof 0198c0de-1111-7222-8333-444455556666.proof.json --public-key audit.pub
    """
    try:
        proven = verify_proof(_content(file), trusted_keys(public_key or []))
        _require_event(proven, event_id)
    except TelemetryError as exc:
        raise fail(exc) from exc
    facts = _facts(proven)
    if json:
        write_line(msgspec.json.encode(facts).decode())
        return
    for name, value in facts.items():
        out.print(f"{name:<18} {neutral(str(value))}", markup=False)
    out.print("[green]proven[/]: the event is part of what was signed")


def _require_event(proven: ProvenRecord, event_id: str | None) -> None:
    if event_id is not None and proven.message.attributes["id"] != event_id:
        message = f"the proof is of event {proven.message.attributes['id']}, not of {event_id}"
        raise TamperedError(message)


def _candidates(records: Iterable[RawRecord | DamagedRecord], event_id: str) -> list[tuple[str, int]]:
    """Return where the event may stand; more than one place where someone put up another record of its id."""
    found: dict[tuple[str, int], None] = {}
    for _, claim in find_event(records, event_id):
        found[claim.attributes["producer"], claim.attributes["sequence"]] = None
        if len(found) == MAX_CANDIDATES:
            break
    if not found:
        message = f"event {event_id} is not in the trail that was read"
        raise IncompleteError(message)
    return list(found)


def _first_proof(provers: list[Prover], event_id: str) -> InclusionProof:
    errors: list[VerificationError] = []
    for prover in provers:
        try:
            proof = prover.proof()
        except VerificationError as exc:
            errors.append(exc)
            continue
        if parse(proof.value).attributes["id"] == event_id:
            return proof
        message = f"another record than event {event_id} was signed in its place"
        errors.append(TamperedError(message))
    raise errors[0]


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as proof:
            return proof.read(MAX_PROOF_BYTES + 1)
    except OSError as exc:
        raise ConfigurationError(Problem("FILE", f"{file} cannot be read: {exc.strerror}", "check it")) from exc


def _facts(proven: ProvenRecord) -> dict[str, Any]:
    attributes, checkpoint = proven.message.attributes, proven.checkpoint
    return {
        **{name: attributes[name] for name in ("id", "type", "time", "source", "producer", "sequence")},
        "checkpoint_size": checkpoint.size,
        "checkpoint_time": checkpoint.time,
        "checkpoint_root": checkpoint.root.hex(),
    }
