"""Implements ``telemetry verify-proof``: checks a proof file offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from telemetry.cli.options.trust import PublicKeys, Trust, require_trust
from telemetry.cli.output.console import escape_control, fail, out, write_line
from telemetry.cli.output.examples import examples
from telemetry.exceptions import ConfigurationError, Problem, TamperedError, TelemetryError
from telemetry.format.proof.inclusion import MAX_PROOF_BYTES, ProvenRecord, verify_proof
from telemetry.reader.trust import Judgement

app = typer.Typer(add_completion=False)


@app.command(
    "verify-proof",
    epilog=examples("telemetry verify-proof 0198c0de-1111-7222-8333-444455556666.proof.json --public-key audit.pub"),
)
def verify_proof_file(
    file: Annotated[Path, typer.Argument(help="File that `telemetry prove` wrote.")],
    *,
    public_key: PublicKeys = None,
    trust: Trust = None,
    event_id: Annotated[str | None, typer.Option("--event-id", help="Fail unless the proof is of this event.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the proven facts as JSON.")] = False,
) -> None:
    """Check a proof file offline: no Kafka, no key service, public keys only.

    The file's name proves nothing: compare the id that is printed, or give --event-id.

    Exit code: 0 when the event is part of what was signed, 3 when it is not, when it is another event, or when the file
    is not a proof.
    """
    try:
        policy = require_trust(public_key, trust)
        proven = verify_proof(_content(file), policy.candidates())
        believed = policy.require_believed(proven.signers, proven.checkpoint)
        _require_event(proven, event_id)
    except TelemetryError as exc:
        raise fail(exc) from exc
    # The facts come from the proven record, never from the file beside it.
    facts = _facts(proven, believed)
    if json:
        write_line(msgspec.json.encode(facts).decode())
        return
    for name, value in facts.items():
        out.print(f"{name:<18} {escape_control(str(value))}", markup=False)
    out.print("[green]proven[/]: the event is part of what was signed")


def _require_event(proven: ProvenRecord, event_id: str | None) -> None:
    if event_id is not None and proven.message.attributes["id"] != event_id:
        message = f"the proof is of event {proven.message.attributes['id']}, not of {event_id}"
        raise TamperedError(message)


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as proof:
            # One byte more than a proof may have, so that a longer file is refused without reading all of it.
            return proof.read(MAX_PROOF_BYTES + 1)
    except OSError as exc:
        problem = Problem("FILE", f"{file} cannot be read: {exc.strerror}", "check its path and its mode")
        raise ConfigurationError(problem) from exc


def _facts(proven: ProvenRecord, believed: Sequence[Judgement]) -> dict[str, Any]:
    attributes, checkpoint = proven.message.attributes, proven.checkpoint
    return {
        **{name: attributes[name] for name in ("id", "type", "time", "source", "producer", "sequence")},
        **({"logged_through": checkpoint.via} if checkpoint.via is not None else {}),
        "checkpoint_size": checkpoint.size,
        "checkpoint_time": checkpoint.time,
        "checkpoint_root": checkpoint.root.hex(),
        "signed_by": ", ".join(judgement.signer for judgement in believed),
        "believed_because": "; ".join(judgement.why for judgement in believed),
        "time_basis": str(believed[0].time_basis),
    }
