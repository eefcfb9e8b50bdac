"""Defines the option that names trusted public keys, and reads the keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from telemetry.exceptions import ConfigurationError, Problem, TelemetryError
from telemetry.format.proof.signed_note import PublicKey

_REMEDY = "give a key as `telemetry keys export-public` prints it, or a file that contains it"

PublicKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--public-key",
        help="Public key to trust, or a file with one key per line. Repeatable: old keys stay trusted.",
    ),
]


def trusted_keys(given: list[str]) -> list[PublicKey]:
    """Return the keys; each value is a key or a file with one key per line.

    Raises:
        ConfigurationError: No key is given, or one cannot be read.
    """
    if not given:
        raise ConfigurationError(Problem("--public-key", "is missing", _REMEDY))
    return [key for text in given for key in _keys(text)]


def _keys(text: str) -> list[PublicKey]:
    try:
        # A key as text contains "+" signs and never names a file by chance.
        path = Path(text)
        lines = path.read_text("utf-8").splitlines() if path.is_file() else [text]
        return [PublicKey.parse(line.strip()) for line in lines if line.strip()]
    except (OSError, UnicodeDecodeError, TelemetryError) as exc:
        raise ConfigurationError(Problem("--public-key", f"{text!r} is not a public key", _REMEDY)) from exc
