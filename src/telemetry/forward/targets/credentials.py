"""Reads what identifies the sender from files, and reads it again when it is refused: tokens are replaced while a forwarder runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from telemetry.config.secret_files import read_secret
from telemetry.exceptions import ConfigurationError, Problem

_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[ \t]*([\x20-\x7e]{1,4096})", re.ASCII)
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,4096}", re.ASCII)
_OWN = frozenset(("content-length", "content-type", "content-encoding", "transfer-encoding", "host", "connection"))


class Credentials:
    """Headers whose values are secrets.

    Args:
        token: File whose first line is a token.
        scheme: Word before the token in the header ``Authorization``.
        header: File whose first line is a whole header, ``Name: value``.

    Raises:
        ConfigurationError: A file cannot be read or believed, or is not what it should be.
    """

    def __init__(self, *, token: Path | None = None, scheme: str = "Bearer", header: Path | None = None) -> None:
        self._token = token
        self._scheme = scheme
        self._header = header
        self._headers = self._read()

    def headers(self) -> Mapping[str, str]:
        """Return the headers."""
        return {name: value.get_secret_value() for name, value in self._headers.items()}

    def renew(self) -> bool:
        """Read the files again; return whether they say something else now."""
        try:
            found = self._read()
        except ConfigurationError:
            # A file may be half written at this moment; what was read before is refused anyway.
            return False
        is_new = found != self._headers
        self._headers = found
        return is_new

    def _read(self) -> dict[str, SecretStr]:
        found = {}
        if self._token is not None:
            token = _secret(self._token, "--token-file")
            if not _PRINTABLE.fullmatch(token):
                raise ConfigurationError(Problem("--token-file", "is not a token", "write it into the first line"))
            found["Authorization"] = SecretStr(f"{self._scheme} {token}")
        if self._header is not None:
            match = _HEADER.fullmatch(_secret(self._header, "--header-file"))
            if match is None or match[1].lower() in _OWN:
                remedy = "write one header into its first line, such as X-Api-Key: abc"
                raise ConfigurationError(Problem("--header-file", "is not a header that may be given", remedy))
            found[match[1]] = SecretStr(match[2])
        return found


def _secret(path: Path, option: str) -> str:
    try:
        return read_secret(path).get_secret_value()
    except ConfigurationError as exc:
        raise ConfigurationError(*(Problem(option, each.reason, each.remedy) for each in exc.problems)) from exc
