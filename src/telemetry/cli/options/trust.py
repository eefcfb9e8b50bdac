"""Defines the options that say who is trusted: a trust file, or the public keys of one service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from telemetry.exceptions import ConfigurationError, FormatError, Problem
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.trust import TrustPolicy, load_trust_file
from telemetry.system.file_trust import FileFault, read_believed

_MAX_FILE_BYTES = 1 << 20
_REMEDY = "give a key as `telemetry keys export-public` prints it, or a file that contains it"

PublicKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--public-key",
        help="Public key of one service, or a file with one key per line. Repeatable: old keys stay trusted.",
    ),
]
Trust = Annotated[
    Path | None,
    typer.Option(
        "--trust",
        help="Trust file: which key may sign for which services, as which role, and until when. "
        "Default: `trust_file` of the configuration.",
    ),
]


def trust_policy(
    public_keys: list[str] | None, trust: Path | None, *, configured: Path | None = None
) -> TrustPolicy | None:
    """Return who is trusted; None if neither a key nor a trust file is named.

    Args:
        public_keys: Values of ``--public-key``: a key, or a file with one key per line.
        trust: Value of ``--trust``.
        configured: ``trust_file`` of the configuration, which either option replaces.

    Raises:
        ConfigurationError: A key or the file cannot be used, or both are named.
    """
    if public_keys and trust is not None:
        raise ConfigurationError(Problem("--trust", "contradicts --public-key", "add the key to the trust file"))
    if public_keys:
        return TrustPolicy.of_keys(key for text in public_keys for key in _keys(text, "--public-key"))
    file = trust or configured
    return load_trust_file(file) if file is not None else None


def require_trust(public_keys: list[str] | None, trust: Path | None, *, configured: Path | None = None) -> TrustPolicy:
    """Return who is trusted, as :func:`trust_policy` does.

    Raises:
        ConfigurationError: Neither a key nor a trust file is named, or one cannot be used.
    """
    policy = trust_policy(public_keys, trust, configured=configured)
    if policy is None:
        raise ConfigurationError(Problem("--public-key", "is missing", f"{_REMEDY}; or name a trust file with --trust"))
    return policy


def public_keys(texts: list[str], *, option: str) -> tuple[PublicKey, ...]:
    """Return the keys that the values of an option name, each a key or a file with one key per line.

    Raises:
        ConfigurationError: One cannot be used.
    """
    return tuple(dict.fromkeys(key for text in texts for key in _keys(text, option)))


def _lines(path: Path, option: str) -> list[str]:
    data = read_believed(path, max_bytes=_MAX_FILE_BYTES)
    # Who may write this file decides who is believed.
    if isinstance(data, FileFault):
        raise ConfigurationError(Problem(option, str(data), data.remedy))
    return data.decode("utf-8").splitlines()


def _keys(text: str, option: str) -> list[PublicKey]:
    try:
        # A key as text contains "+" signs and never names a file by chance.
        path = Path(text)
        lines = _lines(path, option) if path.is_file() else [text]
        return [PublicKey.parse(line.strip()) for line in lines if line.strip()]
    except (OSError, UnicodeDecodeError, FormatError) as exc:
        raise ConfigurationError(Problem(option, f"{text!r} is not a public key", _REMEDY)) from exc
