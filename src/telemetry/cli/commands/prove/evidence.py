"""Implements ``telemetry evidence``: writes a pack of events and proofs that can be filed and checked offline."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.evidence import EvidenceOptions, with_evidence
from telemetry.cli.options.passphrase import ask_passphrase
from telemetry.cli.options.sources import NO_TOPIC, archive_place
from telemetry.cli.options.trust import PublicKeys, Trust, require_trust
from telemetry.cli.output.bars import Bars
from telemetry.cli.output.console import err, escape_markup, write_line
from telemetry.cli.output.examples import examples
from telemetry.cli.output.new_file import new_file
from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.trust import Role, TrustPolicy, read_trust_file

if TYPE_CHECKING:
    from telemetry.evidence import PackSummary

_MAX_LISTED = 100
_PANEL = "Who signs the pack"

app = typer.Typer(add_completion=False)


@app.command(
    "evidence",
    epilog=examples(
        "telemetry evidence -c telemetry.toml --trust trust.toml --entity order/77 --reason INC-77 "
        "--auditor-key auditor.key -o order-77.zip",
        "telemetry evidence -c telemetry.toml --since 2026-01-01 --until 2026-04-01 --sample 60 "
        "--auditor-key auditor.key -o q1.zip",
    ),
)
@with_connection
@with_evidence
def evidence(
    load: Loader,
    asked: EvidenceOptions,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write, mode 0600; it must not exist.")],
    auditor_key: Annotated[
        Path | None,
        typer.Option(
            help="Key file that signs the pack, from `telemetry keys init-signing`; its public key has the role auditor in the "
            "trust file.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    auditor_passphrase_file: Annotated[
        Path | None,
        typer.Option(
            help="File whose first line is its passphrase; default: TELEMETRY_AUDITOR_PASSPHRASE, or a prompt.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    public_key: PublicKeys = None,
    trust: Trust = None,
    json: Annotated[bool, typer.Option("--json", help="Print what is in the pack as JSON.")] = False,
) -> None:
    """Write an evidence pack: events, their proofs and the verification of the trail in one ZIP that is checked offline.

    Read and export are recorded in the trail first; the seed of a sample is part of that record, so it is known before
    anybody can know which events it draws. An event that cannot be proven is in the pack, with the reason.

    Exit code: 0, 3 when a record was damaged or altered, 4 when an event is not proven, 5 when data keys were missing, 6
    when the trail cannot be read, 7 when read or export could not be recorded. With 3, 4 and 5 the pack is written too.
    """
    from telemetry.evidence import build_pack

    request = asked.request
    closed = {} if request.content else {"encryption_enabled": False, **(NO_TOPIC if asked.is_copied else {})}
    config = load(fallback_enabled=False, **closed)
    trusted = trust or config.audit_config.trust_file
    policy = require_trust(public_key, trust, configured=config.audit_config.trust_file)
    signer = _signer(auditor_key, auditor_passphrase_file, policy, is_trust_file=trusted is not None and not public_key)
    # The file first: a pack that cannot be written must not be recorded as one that was.
    with ExitStack() as stack:
        target = stack.enter_context(new_file(out, replace=False))
        if asked.reads_archive:
            request = replace(request, archive=stack.enter_context(archive_place(config, asked.archive, policy)))
        summary = build_pack(
            config,
            request,
            target=target,
            policy=policy,
            signer=signer,
            trust_file=read_trust_file(trusted) if trusted is not None and not public_key else None,
            progress=Bars(),
        )
    if json:
        write_line(msgspec.json.encode({"file": str(out), **summary.to_dict()}).decode(), exit_code=summary.exit_code)
    _show(summary, out, is_brief=json)
    raise typer.Exit(summary.exit_code)


def _signer(
    path: Path | None, passphrase_file: Path | None, policy: TrustPolicy, *, is_trust_file: bool
) -> SigningKey | None:
    """Return the auditor's key; say at once if nobody will believe it."""
    if path is None:
        if passphrase_file is not None:
            raise ConfigurationError(Problem("--auditor-key", "is missing", "name the key that the passphrase opens"))
        err.print("[yellow]nobody signs this pack: its content is nobody's word; give --auditor-key[/]")
        return None
    passphrase = ask_passphrase(
        passphrase_file, "TELEMETRY_AUDITOR_PASSPHRASE", confirm=False, label="Passphrase of the auditor's key"
    )
    key = SigningKey.load(path, passphrase)
    public = PublicKey.parse(key.public_key)
    if is_trust_file and not any(each.public == public and Role.AUDITOR in each.roles for each in policy.keys):
        err.print(
            f"[yellow]the trust file does not give {escape_markup(key.name)} the role auditor: with it, "
            "`verify-evidence` refuses the pack[/]"
        )
    return key


def _show(summary: PackSummary, out: Path, *, is_brief: bool) -> None:
    """Say what is in the pack, and what is not proven."""
    for event_id, reason in summary.unproven[:_MAX_LISTED]:
        err.print(f"[bold red]not proven:[/] {escape_markup(event_id)}: {escape_markup(reason)}")
    if len(summary.unproven) > _MAX_LISTED:
        err.print(f"{len(summary.unproven) - _MAX_LISTED:,} further events are not proven: they are named in the pack")
    if summary.damaged or summary.unopened:
        err.print(
            f"[bold red]the selection may lack events:[/] {summary.damaged:,} records are damaged or were altered, "
            f"{summary.unopened:,} could not be opened"
        )
    if is_brief:
        return
    if summary.seed is not None:
        err.print(f"drawn from {summary.population:,} events with --seed {summary.seed}")
    err.print(f"the whole trail is {escape_markup(summary.verdict)}: see verification.html in the pack", style="dim")
    signed = f"signed by {escape_markup(summary.signer)}" if summary.signer is not None else "signed by nobody"
    err.print(
        f"{summary.proven:,} of {summary.events:,} events proven, {signed}, in [bold]{escape_markup(str(out))}[/]; "
        f"SHA-256 {summary.sha256}"
    )
