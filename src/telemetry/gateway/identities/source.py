"""Offers the identities of the moment, and the way to read them again."""

from __future__ import annotations

import logging
from pathlib import Path

from telemetry.gateway.identities.entries import read_entries
from telemetry.gateway.identities.quotas import Quotas
from telemetry.gateway.identities.registry import Identities

logger = logging.getLogger("telemetry.gateway")


class IdentitiesFile:
    """The identities file, as it was when it was last read without a problem.

    Args:
        path: The file; without one nobody is known.
        own_service: Name of the gateway.
        quotas: Begin anew with each change.

    Raises:
        ConfigurationError: The file cannot be used.
    """

    def __init__(self, path: Path | None, *, own_service: str, quotas: Quotas) -> None:
        self._path = path
        self._own_service = own_service
        self._quotas = quotas
        self.current = self._read()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files from which it comes."""
        return () if self._path is None else (self._path,)

    @property
    def what(self) -> str:
        """What the files are, for a log line."""
        return "identities"

    def reload(self) -> None:
        """Read the file again; what was read before stays if it cannot be used.

        Raises:
            ConfigurationError: It cannot be used.
        """
        self.current = self._read()
        self._quotas.forget()

    def _read(self) -> Identities:
        path = self._path
        if path is None:
            return Identities(())
        found = Identities(read_entries(path, own_service=self._own_service))
        if not found.count:
            # It may be meant so: those who are taken out of the file must not go on calling.
            logger.error("%s lists no identity, so every call is refused", path)
        return found
