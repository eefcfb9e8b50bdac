"""Verifies the tokens of time-stamping authorities on rosters (RFC 3161)."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from cryptography import x509

from telemetry.exceptions import ConfigurationError, MissingExtraError, Problem, TamperedError
from telemetry.format.roster.roster import Roster
from telemetry.system.file_trust import FileFault, read_believed

_FEATURE = "a time stamp of RFC 3161"
_MAX_ROOTS_BYTES = 1 << 20


class TimestampRoots:
    """The certificate authorities under which a time-stamping authority is believed.

    Args:
        certificates: The roots.

    Raises:
        MissingExtraError: The library that verifies tokens is not installed.
    """

    def __init__(self, certificates: list[x509.Certificate]) -> None:
        self._library = rfc3161()
        self._roots = certificates

    @classmethod
    def load(cls, path: Path, *, option: str) -> TimestampRoots:
        """Return the roots in a PEM file.

        Args:
            path: The file.
            option: Name of the option that names it, for errors.

        Raises:
            ConfigurationError: It cannot be read, others could have written it, or it has no certificate.
        """
        try:
            data = read_believed(path, max_bytes=_MAX_ROOTS_BYTES)
            if isinstance(data, FileFault):
                raise ConfigurationError(Problem(option, str(data), data.remedy))
            return cls(x509.load_pem_x509_certificates(data))
        except (OSError, ValueError) as exc:
            if isinstance(exc, ConfigurationError):
                raise
            reason = f"{path} has no certificates: {exc}"
            raise ConfigurationError(Problem(option, reason, "name a PEM file with the authority's root")) from exc

    def time_of(self, roster: Roster) -> datetime:
        """Return when the authority saw the note of a roster.

        Raises:
            TamperedError: The roster has no token, or one that no root vouches for or that is of another text.
        """
        if not roster.timestamp:
            message = "it has no time stamp"
            raise TamperedError(message)
        return self.verify(roster.timestamp, roster.note.encode())

    def verify(self, token: bytes, text: bytes) -> datetime:
        """Return the time in a token over a text.

        Raises:
            TamperedError: No root vouches for the token, or it is of another text.
        """
        builder = self._library.VerifierBuilder()
        for root in self._roots:
            builder = builder.add_root_certificate(root)
        try:
            response = self._library.decode_timestamp_response(token)
            builder.build().verify_message(response, text)
            time: datetime = response.tst_info.gen_time
        except (self._library.VerificationError, ValueError) as exc:
            message = f"its time stamp proves nothing: {exc}"
            raise TamperedError(message) from exc
        return time.astimezone(UTC)


def rfc3161() -> Any:
    """Return the library of the extra ``timestamp``.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return import_module("rfc3161_client")
    except ImportError as exc:
        raise MissingExtraError(_FEATURE, "timestamp") from exc
