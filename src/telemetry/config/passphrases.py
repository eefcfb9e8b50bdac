"""Requires passphrases that are long enough, and finds those in a configuration that are not.

The file of a key is only as safe as its passphrase: anyone who gets a copy of the file may try a thousand million passphrases
a day, in spite of PBKDF2. NIST SP 800-63B section 3.1.1.2 asks for at least 8 characters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from telemetry.exceptions import ConfigurationError, Problem

if TYPE_CHECKING:
    from telemetry.config.audit import AuditConfig

MIN_CHARACTERS = 8
"""A shorter passphrase protects no new file, and writes no event."""
GOOD_CHARACTERS = 12
"""A shorter passphrase is warned about."""


def require_long(passphrase: str, *, field: str = "passphrase") -> None:
    """Check that a passphrase may protect a file that is written now.

    Raises:
        ConfigurationError: It is empty, or has fewer than 8 characters.
    """
    if len(passphrase) >= MIN_CHARACTERS:
        return
    reason = f"has fewer than {MIN_CHARACTERS} characters" if passphrase else "is empty"
    raise ConfigurationError(Problem(field, reason, "choose several random words"))


def short_passphrases(config: AuditConfig) -> list[Problem]:
    """Return a problem for each passphrase of a configuration with which no event is written.

    Readers may still open what was sealed with one: an old trail is not lost.
    """
    remedy = "set a longer one with `telemetry keys change-passphrase FILE`; what was sealed before still opens"
    return [
        Problem(field, f"has fewer than {MIN_CHARACTERS} characters", remedy)
        for field, length in _lengths(config)
        if length < MIN_CHARACTERS
    ]


def weak_passphrases(config: AuditConfig) -> list[str]:
    """Return the fields of those passphrases that are accepted, but should be longer."""
    return [field for field, length in _lengths(config) if MIN_CHARACTERS <= length < GOOD_CHARACTERS]


def _lengths(config: AuditConfig) -> Iterator[tuple[str, int]]:
    encryption, signing = config.encryption_config, config.signing_config
    if config.encryption_enabled and encryption is not None and encryption.passphrase is not None:
        yield "encryption_config.passphrase", len(encryption.passphrase.get_secret_value())
    if signing is not None:
        yield "signing_config.passphrase", len(signing.passphrase.get_secret_value())
