"""Implements ``telemetry acknowledge``: signs that an auditor has looked into findings of a verification."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.console import err, escape_markup
from telemetry.cli.output.examples import examples
from telemetry.cli.output.new_file import new_file
from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import ConfigurationError, FormatError, Problem
from telemetry.format.proof.acknowledgement import Acknowledgement, sign_acknowledgement
from telemetry.system.clock import rfc3339

_DEFAULT_DAYS = 365

app = typer.Typer(add_completion=False)


@app.command(
    "acknowledge",
    epilog=examples(
        "telemetry acknowledge 5f0c1b2a3d4e5f60718293a4b5c6d7e8 -c auditor.toml --out outage.ack "
        '--author "Jane Doe" --reason "disk of broker 2 was lost, INC-77"',
        "telemetry verify -c telemetry.toml --trust trust.toml --acknowledged outage.ack",
    ),
)
@with_connection
def acknowledge(
    load: Loader,
    findings: Annotated[list[str], typer.Argument(help="Ids of the findings, as `verify` shows them.")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write; it must not exist.")],
    author: Annotated[str, typer.Option(help="Person who has looked into the findings.")],
    reason: Annotated[str, typer.Option(help="Why they shall not count any more, such as the number of a ticket.")],
    expires: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Day on which they count again; default: in a year.")
    ] = None,
) -> None:
    """Sign that findings were looked into; `verify --acknowledged FILE` then shows them, and they no longer count.

    An acknowledgement covers exactly the findings that it names: the next one of the same kind is red again. The key of
    `signing_config` signs, and `verify` believes it if the trust file gives it the role auditor.
    """
    signing = load(encryption_enabled=False, fallback_enabled=False).audit_config.signing_config
    if signing is None:
        raise ConfigurationError(Problem("signing_config", "is missing", "name the auditor's signing key"))
    now = datetime.now(UTC)
    acknowledgement = Acknowledgement(
        author=author,
        time=rfc3339(now),
        expires=rfc3339(_expiry(expires, now)),
        reason=reason,
        findings=tuple(dict.fromkeys(findings)),
    )
    key = SigningKey.load(signing.key_path, signing.passphrase)
    try:
        note = sign_acknowledgement(acknowledgement, key)
    except FormatError as exc:
        raise ConfigurationError(Problem("FINDINGS", str(exc), "copy the ids from `verify`")) from exc
    with new_file(out, replace=False) as stream:
        stream.write(note.encode())
    count = len(acknowledgement.findings)
    err.print(f"{count} findings acknowledged by [bold]{escape_markup(key.name)}[/] in {escape_markup(str(out))}")


def _expiry(day: str | None, now: datetime) -> datetime:
    try:
        end = now + timedelta(days=_DEFAULT_DAYS) if day is None else datetime.fromisoformat(f"{day}T00:00:00+00:00")
    except ValueError as exc:
        raise ConfigurationError(Problem("--expires", "is not a day", "write it as 2027-06-30")) from exc
    if end <= now:
        raise ConfigurationError(Problem("--expires", "is not in the future", "choose a later day"))
    return end
