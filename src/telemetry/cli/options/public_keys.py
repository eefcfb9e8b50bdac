"""Public keys that a verification trusts, from options."""

from __future__ import annotations

from pathlib import Path

from telemetry.exceptions import ConfigurationError, Problem, TelemetryError
from telemetry.format.proof.signed_note import PublicKey

_REMEDY = "give what `telemetry keys export-public` printed, or a file that holds it"


def trusted_keys(given: list[str]) -> list[PublicKey]:
    """Return the keys; each may be a key itself, or a file with one key a line.

    Raises:
        ConfigurationError: None is given, or one cannot be read.
    """
    if not given:
        raise ConfigurationError(Problem("--public-key", "is missing", _REMEDY))
    return [key for text in given for key in _keys(text)]


def _keys(text: str) -> list[PublicKey]:
    try:
        path = Path(text)
        lines = path.read_text("utf-8").splitlines() if path.is_file() else [text]
        return [PublicKey.parse(line.strip()) for line in lines if line.strip()]
    except (OSError, UnicodeDecodeError, TelemetryError) as exc:
        raise ConfigurationError(Problem("--public-key", f"{text!r} is not a public key", _REMEDY)) from exc
