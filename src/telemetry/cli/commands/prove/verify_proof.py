"""Implements ``telemetry verify-proof``: checks proof files offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from telemetry.cli.options.trust import PublicKeys, Trust, require_trust
from telemetry.cli.output.console import err, escape_control, escape_markup, fail, out, progress, write_line
from telemetry.cli.output.examples import examples
from telemetry.exceptions import ConfigurationError, Problem, TamperedError, TelemetryError
from telemetry.format.proof.inclusion import MAX_PROOF_BYTES, ProvenRecord, verify_proof
from telemetry.reader.trust import Judgement, TrustPolicy

_NOT_ALL = 1
"""Exit code if the reader of the output has gone before the last file: nothing was said of all of them."""

app = typer.Typer(add_completion=False)


@app.command(
    "verify-proof",
    epilog=examples(
        "telemetry verify-proof 0198c0de-1111-7222-8333-444455556666.proof.json --public-key audit.pub",
        "telemetry verify-proof proofs/*.proof.json --trust trust.toml",
    ),
)
def verify_proof_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files that `telemetry prove` wrote.")],
    *,
    public_key: PublicKeys = None,
    trust: Trust = None,
    event_id: Annotated[
        str | None, typer.Option("--event-id", help="Fail unless the proof is of this event; goes with one file.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the proven facts as JSON; of several files, a line for each.")
    ] = False,
) -> None:
    """Check proof files offline: no Kafka, no key service, public keys only.

    A file's name proves nothing: compare the id that is printed, or give --event-id.

    Exit code: 0 when each event is part of what was signed, 3 when one is not, when it is another event, or when a file
    is not a proof, 2 when a file cannot be read.
    """
    try:
        policy = require_trust(public_key, trust)
        if len(files) == 1:
            _verify_one(files[0], policy, event_id, json=json)
            return
        _refuse_event_id(event_id)
    except TelemetryError as exc:
        raise fail(exc) from exc
    _verify_all(files, policy, json=json)


def _refuse_event_id(event_id: str | None) -> None:
    if event_id is not None:
        raise ConfigurationError(Problem("--event-id", "goes with one file", "compare the ids that are printed"))


def _verify_one(file: Path, policy: TrustPolicy, event_id: str | None, *, json: bool) -> None:
    facts = _proven_facts(file, policy, event_id)
    if json:
        write_line(msgspec.json.encode(facts).decode())
        return
    for name, value in facts.items():
        out.print(f"{name:<18} {escape_control(str(value))}", markup=False)
    out.print("[green]proven[/]: the event is part of what was signed")


def _verify_all(files: Sequence[Path], policy: TrustPolicy, *, json: bool) -> None:
    """Check every file, also after one that proves nothing, and end with the exit code of the worst."""
    events, failures = set[str](), list[int]()
    with progress("checking proofs", total=len(files)) as (bar, task):
        for file in files:
            try:
                facts = _proven_facts(file, policy, None)
            except TelemetryError as exc:
                failures.append(exc.exit_code)
                _print_failure(file, exc, json=json)
            else:
                events.add(facts["id"])
                _print_facts(file, facts, json=json)
            bar.advance(task)
    # Copies of one proof must not pass for many events.
    proven = len(files) - len(failures)
    err.print(f"{proven:,} of {len(files):,} files proven: events: {len(events):,}")
    if failures:
        # A proof that does not hold (3) is worse than a file that cannot be read (2).
        raise typer.Exit(TamperedError.exit_code if TamperedError.exit_code in failures else max(failures))


def _print_facts(file: Path, facts: dict[str, Any], *, json: bool) -> None:
    if json:
        line = msgspec.json.encode({"file": _printable(file), "proven": True, **facts}).decode()
        write_line(line, exit_code=_NOT_ALL)
        return
    line = f": {file}: event {facts['id']}, {facts['type']}, {facts['time']}, signed by {facts['signed_by']}"
    out.print(f"[green]proven[/]{escape_markup(line)}")


def _print_failure(file: Path, error: TelemetryError, *, json: bool) -> None:
    if json:
        line = msgspec.json.encode({"file": _printable(file), "proven": False, "error": str(error)}).decode()
        write_line(line, exit_code=error.exit_code)
    text = str(error) if str(file) in str(error) else f"{file}: {error}"
    err.print(f"[bold red]error:[/] {escape_markup(text)}")


def _printable(file: Path) -> str:
    # Names of files may be bytes that are no text.
    return str(file).encode("utf-8", "backslashreplace").decode()


def _proven_facts(file: Path, policy: TrustPolicy, event_id: str | None) -> dict[str, Any]:
    proven = verify_proof(_content(file), policy.candidates())
    believed = policy.require_believed(proven.signers, proven.checkpoint)
    _require_event(proven, event_id)
    # The facts come from the proven record, never from the file beside it.
    return _facts(proven, believed)


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
