"""Implements ``telemetry keys``: key files of the provider ``local_key``, and signing keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry.cli.commands.operate import recovery
from telemetry.cli.options.passphrase import ask_passphrase, read_passphrase
from telemetry.cli.output.console import err, fail, write_line
from telemetry.cli.output.examples import examples
from telemetry.exceptions import ConfigurationError, Problem, TelemetryError

if TYPE_CHECKING:
    from types import ModuleType

    from telemetry.cli.commands.operate.signing_rotation import SigningRotation
    from telemetry.encryption.providers.key_file import KeyFileFacts

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Create and maintain key files: of the provider local_key, and for signing.",
)

storage_secret = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="The secret under which a service seals its spool and its fallback objects.",
    epilog=examples("telemetry keys storage-secret create /etc/shop/storage.secret"),
)
app.add_typer(storage_secret, name="storage-secret")
app.add_typer(recovery.app, name="recovery")

KeyPath = Annotated[Path, typer.Argument(help="The key file.")]
# There is no option for the passphrase itself: other users of the machine see the words of a command.
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="File whose first line is the passphrase; default: TELEMETRY_PASSPHRASE, or a prompt.",
    ),
]
NewPassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--new-passphrase-file",
        help="File whose first line is the new passphrase; default: TELEMETRY_NEW_PASSPHRASE, or a prompt.",
    ),
]


@app.command(epilog=examples("telemetry keys init /etc/shop/audit.key"))
def init(path: KeyPath, *, passphrase_file: PassphraseFile = None) -> None:
    """Create a key file with a new random key, mode 0600."""
    # Imported here and below when a command runs: a help text needs no cryptography.
    from telemetry.encryption.providers import local_key

    try:
        facts = local_key.create(path, ask_passphrase(passphrase_file, "TELEMETRY_PASSPHRASE", confirm=True))
    except TelemetryError as exc:
        raise fail(exc) from exc
    _show(facts)
    err.print("Keep a copy of the file and of the passphrase in two safe places: without both, the trail stays sealed.")


@app.command(epilog=examples("telemetry keys show /etc/shop/audit.key"))
def show(path: KeyPath) -> None:
    """Show the public part of a key file: its fingerprint or public key, and how it is protected."""
    try:
        _show(_kind_of(path).describe(path))
    except TelemetryError as exc:
        raise fail(exc) from exc


@app.command(epilog=examples("telemetry keys change-passphrase /etc/shop/audit.key"))
def change_passphrase(
    path: KeyPath,
    *,
    passphrase_file: PassphraseFile = None,
    new_passphrase_file: NewPassphraseFile = None,
) -> None:
    """Protect the same key with another passphrase; all that it sealed or signed before stays good.

    The file may have a key of local_key, a signing key or a recovery key.
    """
    try:
        kind = _kind_of(path)
        # Both passphrases first: the file is not touched before everything is known.
        old = ask_passphrase(passphrase_file, "TELEMETRY_PASSPHRASE", confirm=False)
        new = ask_passphrase(new_passphrase_file, "TELEMETRY_NEW_PASSPHRASE", confirm=True, label="New passphrase")
        kind.change_passphrase(path, old, new)
    except TelemetryError as exc:
        raise fail(exc) from exc
    err.print("Passphrase changed.")


@app.command(
    epilog=examples(
        "telemetry keys rotate /etc/shop/audit.key",
        "telemetry keys rotate /etc/shop/signing.key --to /etc/shop/signing-2027.key --name shop-2027 "
        "--source /production/shop",
    )
)
def rotate(
    path: KeyPath,
    *,
    passphrase_file: PassphraseFile = None,
    to: Annotated[Path | None, typer.Option(help="Signing key: file of the new key, which must not exist.")] = None,
    name: Annotated[str | None, typer.Option(help="Signing key: name of the new key, without spaces.")] = None,
    source: Annotated[
        list[str] | None, typer.Option(help="Signing key: /ENVIRONMENT/SERVICE, for the trust file. Repeatable.")
    ] = None,
    new_passphrase_file: Annotated[
        Path | None,
        typer.Option(help="Signing key: file with the new key's passphrase; default: that of the former key."),
    ] = None,
    former_storage_secret: Annotated[
        Path | None,
        typer.Option(help="Signing key: write the secret that opens what is stored under the former key to this file."),
    ] = None,
) -> None:
    """Put a new random key into a key file of local_key, or create a signing key that replaces another.

    A key file of local_key has the new key beside the former ones: the new one wraps from now on, and those of before still
    open the trail. Running processes use it from their next data key on, so within the hour.

    A new signing key gets a file and a name of its own. Printed is what auditors write into their trust file: both public
    keys, each with its time.
    """
    from telemetry.encryption import signing_key
    from telemetry.encryption.providers import local_key

    try:
        if _kind_of(path) is signing_key:
            rotation = _signing_rotation(path, to, name, tuple(source or ()), former_storage_secret)
            passphrase = ask_passphrase(passphrase_file, "TELEMETRY_PASSPHRASE", confirm=False)
            rotation.run(passphrase, read_passphrase(new_passphrase_file) if new_passphrase_file else passphrase)
            return
        facts = local_key.rotate(path, ask_passphrase(passphrase_file, "TELEMETRY_PASSPHRASE", confirm=False))
    except TelemetryError as exc:
        raise fail(exc) from exc
    _show(facts)
    err.print("Replace the copies of the file, also those of readers: without the new key, what it seals stays sealed.")


@app.command(epilog=examples("telemetry keys init-signing /etc/shop/signing.key --name shop-audit"))
def init_signing(
    path: KeyPath,
    *,
    name: Annotated[str, typer.Option(help="Name of the key in signatures, such as shop-audit-2026, without spaces.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Create an Ed25519 key that signs checkpoints, and print its public key for the auditors."""
    from telemetry.encryption.signing_key import SigningKey

    try:
        key = SigningKey.create(path, ask_passphrase(passphrase_file, "TELEMETRY_PASSPHRASE", confirm=True), name=name)
    except TelemetryError as exc:
        raise fail(exc) from exc
    # Nothing but the key, so that the output can be redirected to a file for --public-key.
    write_line(key.public_key)


@app.command(epilog=examples("telemetry keys export-public /etc/shop/signing.key > audit.pub"))
def export_public(path: KeyPath) -> None:
    """Print the public key of a signing key; no passphrase is needed."""
    from telemetry.encryption import signing_key

    try:
        write_line(signing_key.describe(path).public["public_key"])
    except TelemetryError as exc:
        raise fail(exc) from exc


@storage_secret.command("create", epilog=examples("telemetry keys storage-secret create /etc/shop/storage.secret"))
def create_storage_secret(path: Annotated[Path, typer.Argument(help="File to write; it must not exist.")]) -> None:
    """Create a file with 32 random bytes, mode 0600, for storage_secret_file; give a copy to each replica."""
    import secrets

    from telemetry.format import canonical_base64
    from telemetry.system.durable_file import write_durably

    try:
        write_durably(path, canonical_base64.encode(secrets.token_bytes(32)).encode() + b"\n", replace=False)
    except OSError as exc:
        problem = Problem("path", f"{path} cannot be created: {exc.strerror}", "choose another path")
        raise fail(ConfigurationError(problem)) from exc
    err.print(f"Created {path}. What is stored under it opens with it alone, or through the key service: back it up.")


def _kind_of(path: Path) -> ModuleType:
    """Return the module that knows this kind of key file; for an unknown one, that which says what is wrong with it."""
    from telemetry.encryption import signing_key
    from telemetry.encryption.providers import key_file, local_key, recovery_key

    kinds = {signing_key.PURPOSE: signing_key, recovery_key.PURPOSE: recovery_key}
    return kinds.get(key_file.purpose_of(path), local_key)


def _signing_rotation(
    path: Path, to: Path | None, name: str | None, sources: tuple[str, ...], storage_secret: Path | None
) -> SigningRotation:
    from telemetry.cli.commands.operate.signing_rotation import SigningRotation

    if to is None or name is None:
        reason = f"{path} is a signing key, and a new one needs a file and a name of its own"
        raise ConfigurationError(Problem("--to", reason, "add --to FILE --name NAME"))
    return SigningRotation(former=path, target=to, name=name, sources=sources, storage_secret=storage_secret)


def _show(facts: KeyFileFacts) -> None:
    import msgspec

    shown = {"path": str(facts.path), "purpose": facts.purpose, "iterations": facts.iterations, **facts.public}
    write_line(msgspec.json.format(msgspec.json.encode(shown)).decode())
