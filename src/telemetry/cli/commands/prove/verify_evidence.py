"""Implements ``telemetry verify-evidence``: checks an evidence pack offline."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, BinaryIO

import msgspec
import typer

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.sources import NO_TOPIC
from telemetry.cli.options.trust import PublicKeys, Trust, public_keys, trust_policy
from telemetry.cli.output.bars import Bars
from telemetry.cli.output.console import escape_markup, out, write_line
from telemetry.cli.output.examples import examples
from telemetry.cli.output.new_file import new_file
from telemetry.exceptions import ConfigurationError, Problem, TamperedError
from telemetry.reader.trust import Role, TrustedKey, TrustPolicy

if TYPE_CHECKING:
    from telemetry.config import TelemetryConfig
    from telemetry.evidence import PackReport
    from telemetry.reader import RecordOpener

_MAX_LISTED = 200
_STYLES = {"passed": "green", "failed": "bold red", "open": "yellow", "noted": "dim"}
_VERDICTS = {0: "green", 3: "bold red"}

app = typer.Typer(add_completion=False)


@app.command(
    "verify-evidence",
    epilog=examples(
        "telemetry verify-evidence order-77.zip --trust trust.toml",
        "telemetry verify-evidence order-77.zip --trust trust.toml --open -c telemetry.toml --extract order-77",
    ),
)
@with_connection
def verify_evidence(
    load: Loader,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Pack that `telemetry evidence` or the explorer wrote.")],
    *,
    public_key: PublicKeys = None,
    trust: Trust = None,
    auditor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            help="With --public-key: public key of an auditor who may sign packs, or a file that contains it. Repeatable.",
        ),
    ] = None,
    open_: Annotated[
        bool,
        typer.Option(
            "--open", help="Open each sealed record again with the key of the configuration, and compare the content."
        ),
    ] = False,
    extract: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the files of a pack that is not refused to this folder, mode 0600."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print checks and findings as JSON.")] = False,
) -> None:
    """Check an evidence pack offline: no Kafka, no store, no right to decrypt, public keys only.

    Each file that was altered, added or removed is named, and each proof that does not hold. The keys inside a pack are
    material: without --trust or --public-key the most that can be said is that it is consistent with itself.

    Exit code: 0 when everything holds, 3 when something was altered or is signed by a key that may not sign it, 4 when
    an event is not proven or the signer is not known, 5 when --open could not open a record, 2 when the file cannot be
    read.
    """
    from telemetry.evidence import verify_pack

    config = load(fallback_enabled=False, **NO_TOPIC) if open_ else None
    configured = config.audit_config.trust_file if config is not None else None
    policy = _policy(public_key, trust, auditor, configured=configured)
    if extract is not None:
        _require_free(extract)
    # Opened once: what is extracted is the file that was checked.
    with _opened(file) as source:
        with _opener(config) as opener:
            report = verify_pack(source, policy=policy, opener=opener, progress=Bars())
        if json:
            write_line(msgspec.json.encode(report.to_dict()).decode(), exit_code=report.exit_code)
        else:
            _show(report)
        if extract is not None and report.exit_code != TamperedError.exit_code:
            _extract(source, extract)
    raise typer.Exit(report.exit_code)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    try:
        source = file.open("rb")
    except OSError as exc:
        problem = Problem("FILE", f"{file} cannot be read: {exc.strerror}", "check its path and its mode")
        raise ConfigurationError(problem) from exc
    with source:
        yield source


def _policy(
    keys: list[str] | None, trust: Path | None, auditors: list[str] | None, *, configured: Path | None
) -> TrustPolicy | None:
    policy = trust_policy(keys, trust, configured=configured)
    if not auditors:
        return policy
    if policy is None or not keys:
        raise ConfigurationError(Problem("--auditor", "goes with --public-key", "add the key to the trust file"))
    may = frozenset({Role.AUDITOR})
    added = (TrustedKey(public=key, roles=may, sources=("/*/*",)) for key in public_keys(auditors, option="--auditor"))
    return TrustPolicy((*policy.keys, *added), binds_first_source=True)


@contextmanager
def _opener(config: TelemetryConfig | None) -> Iterator[RecordOpener | None]:
    """Yield what opens records again; None leaves them sealed."""
    from telemetry.encryption import EncryptionProviderFactory
    from telemetry.reader.open.opener import RecordOpener
    from telemetry.reader.open.subjects import subjects_of

    if config is None:
        yield None
        return
    encryption = config.audit_config.encryption_config
    if encryption is None:
        raise ConfigurationError(Problem("encryption_config", "is missing", "name the key that opens the records"))
    with ExitStack() as stack:
        provider = stack.enter_context(closing(EncryptionProviderFactory.create(encryption)))
        subjects = subjects_of(config, provider)
        if subjects is not None:
            stack.enter_context(subjects)
        yield stack.enter_context(closing(RecordOpener(provider, subjects=subjects)))


def _show(report: PackReport) -> None:
    for check in report.checks:
        style = _STYLES[check.state]
        out.print(f"[{style}]{check.state:<7}[/] {check.name:<26} {escape_markup(check.detail)}")
    for finding in report.findings[:_MAX_LISTED]:
        style = "bold red" if finding.exit_code == TamperedError.exit_code else "yellow"
        out.print(f"[{style}]finding[/] {escape_markup(str(finding))}")
    if len(report.findings) > _MAX_LISTED:
        out.print(f"{len(report.findings) - _MAX_LISTED:,} further findings: all of them are in --json")
    style = _VERDICTS.get(report.exit_code, "yellow")
    out.print(f"[{style}]{escape_markup(report.verdict)}[/]")


def _require_free(folder: Path) -> None:
    """Check that a folder of this name can be created: a long verification should not end with that."""
    try:
        folder.lstat()
    except FileNotFoundError:
        return
    except OSError as exc:
        raise _not_created(folder, exc) from exc
    raise ConfigurationError(Problem("--extract", f"{folder} exists already", "choose another name"))


def _extract(source: BinaryIO, folder: Path) -> None:
    """Write the files of a pack, all of them or none. Their names were checked: none leads out of the folder."""
    part = folder.with_name(f".{secrets.token_hex(8)}.part")
    _create_folder(part)
    try:
        _write_files(source, part)
        part.rename(folder)
    except OSError as exc:
        raise _not_created(folder, exc) from exc
    finally:
        # Nothing is there any more under this name, unless something failed or somebody stopped it.
        shutil.rmtree(part, ignore_errors=True)


def _write_files(source: BinaryIO, folder: Path) -> None:
    from telemetry.evidence.pack.archive import Archive

    archive = Archive(source)
    for name in archive.names:
        for parent in reversed(PurePosixPath(name).parents):
            _create_folder(folder / parent)
        with new_file(folder / name, replace=False, option="--extract") as stream:
            stream.write(archive.read(name))


def _create_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        raise _not_created(folder, exc) from exc


def _not_created(folder: Path, exc: OSError) -> ConfigurationError:
    return ConfigurationError(
        Problem("--extract", f"{folder} cannot be created: {exc.strerror}", "choose another place")
    )
