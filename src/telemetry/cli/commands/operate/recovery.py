"""Implements ``telemetry keys recovery``: the offline key that opens a trail whose own key was lost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from telemetry.cli.options.passphrase import ask_passphrase
from telemetry.cli.output.console import err, fail, write_line
from telemetry.cli.output.examples import examples
from telemetry.exceptions import TelemetryError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="The offline key that opens the trail when its own key is lost.",
)

KeyPath = Annotated[Path, typer.Argument(help="The file of the private key.")]


@app.command(epilog=examples("telemetry keys recovery create /media/safe/recovery.key > recovery.pub"))
def create(
    path: KeyPath,
    *,
    passphrase_file: Annotated[
        Path | None,
        typer.Option(
            "--passphrase-file",
            help="File whose first line is the passphrase; default: TELEMETRY_RECOVERY_PASSPHRASE, or a prompt.",
        ),
    ] = None,
) -> None:
    """Create a recovery key: write its private half to a file, mode 0600, and print its public half.

    The public half goes into the configuration of the services, as one of the recipients. Do this on a machine that is
    not one of theirs, and keep file and passphrase in two safes.
    """
    # Imported when a command runs: a help text needs no cryptography.
    from telemetry.encryption.providers import recovery_key

    try:
        passphrase = ask_passphrase(passphrase_file, "TELEMETRY_RECOVERY_PASSPHRASE", confirm=True)
        facts = recovery_key.create(path, passphrase)
    except TelemetryError as exc:
        raise fail(exc) from exc
    # Nothing but the key, so that the output can be redirected to a file.
    write_line(facts.public["public_key"])
    err.print("Try it before you need it: telemetry tail --recovery-key FILE, once a service has logged with it.")


@app.command(epilog=examples("telemetry keys recovery show /media/safe/recovery.key"))
def show(path: KeyPath) -> None:
    """Print the public half of a recovery key; no passphrase is needed."""
    from telemetry.encryption.providers import recovery_key

    try:
        write_line(recovery_key.describe(path).public["public_key"])
    except TelemetryError as exc:
        raise fail(exc) from exc
