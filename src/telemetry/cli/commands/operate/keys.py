"""``telemetry keys``: key files of the provider ``local_key``, and signing keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from telemetry.cli.options.connection import read_passphrase
from telemetry.cli.output.console import err, fail, write_line
from telemetry.encryption import signing_key
from telemetry.encryption.providers import local_key
from telemetry.encryption.providers.key_file import KeyFileFacts
from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import ConfigurationError, Problem, TelemetryError

app = typer.Typer(help="Make and keep key files: of the provider local_key, and for signing.", no_args_is_help=True)

KeyPath = Annotated[Path, typer.Argument(help="The key file.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", help="File whose first line is the passphrase; else TELEMETRY_PASSPHRASE, else asked."
    ),
]


@app.command()
def init(path: KeyPath, *, passphrase_file: PassphraseFile = None) -> None:
    """Make a key file with a new random key, mode 0600.

    [bold]Example[/]

      telemetry keys init /etc/shop/audit.key
    """
    try:
        facts = local_key.create(path, _passphrase(passphrase_file, "TELEMETRY_PASSPHRASE", confirm=True))
    except TelemetryError as exc:
        raise fail(exc) from exc
    _show(facts)
    err.print("Keep a copy of the file and of the passphrase in two safe places: without both the trail stays sealed.")


@app.command()
def show(path: KeyPath) -> None:
    """Show what is public of a key file: its fingerprint and how it is protected.

    [bold]Example[/]

      telemetry keys show /etc/shop/audit.key
    """
    try:
        _show(local_key.describe(path))
    except TelemetryError as exc:
        raise fail(exc) from exc


@app.command()
def change_passphrase(
    path: KeyPath,
    *,
    passphrase_file: PassphraseFile = None,
    new_passphrase_file: Annotated[
        Path | None,
        typer.Option(help="File with the new passphrase; else TELEMETRY_NEW_PASSPHRASE, else asked."),
    ] = None,
) -> None:
    """Protect the same key with another passphrase; what was sealed before still opens.

    [bold]Example[/]

      telemetry keys change-passphrase /etc/shop/audit.key
    """
    try:
        old = _passphrase(passphrase_file, "TELEMETRY_PASSPHRASE", confirm=False)
        new = _passphrase(new_passphrase_file, "TELEMETRY_NEW_PASSPHRASE", confirm=True, label="New passphrase")
        local_key.change_passphrase(path, old, new)
    except TelemetryError as exc:
        raise fail(exc) from exc
    err.print("The passphrase is changed.")


@app.command()
def init_signing(
    path: KeyPath,
    *,
    name: Annotated[str, typer.Option(help="Name of the key in signatures, such as shop-audit-2026; no spaces.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make an Ed25519 key that signs checkpoints, and print its public key for the auditors.

    [bold]Example[/]

      telemetry keys init-signing /etc/shop/signing.key --name shop-audit
    """
    try:
        key = SigningKey.create(path, _passphrase(passphrase_file, "TELEMETRY_PASSPHRASE", confirm=True), name=name)
    except TelemetryError as exc:
        raise fail(exc) from exc
    write_line(key.public_key)


@app.command()
def export_public(path: KeyPath) -> None:
    """Print the public key of a signing key; no passphrase is needed.

    [bold]Example[/]

      telemetry keys export-public /etc/shop/signing.key > audit.pub
    """
    try:
        write_line(signing_key.describe(path).public["public_key"])
    except TelemetryError as exc:
        raise fail(exc) from exc


def _passphrase(file: Path | None, variable: str, *, confirm: bool, label: str = "Passphrase") -> str:
    if file is not None:
        return read_passphrase(file)
    found = os.environ.get(variable)
    if found is None:
        found = str(typer.prompt(label, hide_input=True, confirmation_prompt=confirm, err=True))
    if not found:
        raise ConfigurationError(Problem(variable, "is empty", "choose a long passphrase"))
    return found


def _show(facts: KeyFileFacts) -> None:
    shown = {"path": str(facts.path), "purpose": facts.purpose, "iterations": facts.iterations, **facts.public}
    write_line(msgspec.json.format(msgspec.json.encode(shown)).decode())
