"""Configures the archive: where it is, who signs its seals, and how much one commit takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, SecretStr, SerializeAsAny, model_validator

from telemetry.config.encryption import SigningConfig
from telemetry.config.model import ConfigModel
from telemetry.config.secret_files import SecretFiles
from telemetry.config.storage import StorageConfig
from telemetry.exceptions import ConfigurationError, Problem

MIB = 1 << 20
_MAX_PROPERTIES = 100
_SECRET = re.compile(r"password|secret|token|credential|private", re.IGNORECASE)
_PASSWORD = re.compile(r"://[^/?#\s]*:[^/?#\s]*@")


class ArchiveConfig(ConfigModel):
    """Configuration of ``telemetry archive``, and of the commands that read an archive.

    Attributes:
        location: The place, as ``--archive`` takes it: ``file:///FOLDER``, ``s3://BUCKET/PREFIX``, ``gs://BUCKET/PREFIX`` or
            ``az://ACCOUNT/CONTAINER/PREFIX``.
        storage_config: The store of the archive; beside ``location`` only its credentials and its endpoint count.
        signing_config: The archiver's own key, which signs the seals; readers need none.
        former_keys: Public keys of the archiver's earlier signing keys, whose seals it continues.
        catalog: Properties of another Iceberg catalog than the SQLite file: ``type`` (``sql``, ``rest``, ``glue``, ...),
            ``warehouse`` and so on, as PyIceberg names them; nothing secret.
        catalog_uri: Its address, which may have a password in it.
        catalog_uri_file: File whose first line is ``catalog_uri``.
        catalog_token: Bearer token of a REST catalog.
        catalog_token_file: File whose first line is ``catalog_token``.
        catalog_credential: OAuth 2.0 client id and secret of a REST catalog, ``ID:SECRET``.
        catalog_credential_file: File whose first line is ``catalog_credential``.
        catalog_path: The SQLite file that lists the table; default: ``catalog.db`` in the folder of an archive that is one.
        file_bytes: A data file is ended at about this size, 1 to 200 MiB.
        every_seconds: A commit is begun this long after the one before, 1 to 86,400 s; only if there are new records.
        commit_rows: Records of one commit, at most ...
        commit_bytes: ... and their bytes; the archiver needs about four times as much memory.
        lease_seconds: Time by which the lease of an archiver outlives it, so that two rarely work at once; 0 for no lease. That
            nothing is archived twice does not depend on it.
        compact_after_days: A day is closed for ``telemetry archive compact`` when it ended this many days ago.
        keep_removed_seconds: Files that a compaction replaced are deleted after this time, so that readers can finish.
    """

    secret_files: ClassVar[SecretFiles] = {
        "catalog_uri_file": "catalog_uri",
        "catalog_token_file": "catalog_token",
        "catalog_credential_file": "catalog_credential",
    }

    location: str | None = None
    storage_config: SerializeAsAny[StorageConfig] | None = None
    signing_config: SigningConfig | None = None
    former_keys: tuple[str, ...] = ()
    catalog: dict[str, str] = Field(default_factory=dict, max_length=_MAX_PROPERTIES)
    catalog_uri: SecretStr | None = None
    catalog_uri_file: Path | None = None
    catalog_token: SecretStr | None = None
    catalog_token_file: Path | None = None
    catalog_credential: SecretStr | None = None
    catalog_credential_file: Path | None = None
    catalog_path: Path | None = None
    file_bytes: int = Field(default=128 * MIB, ge=MIB, le=200 * MIB)
    every_seconds: float = Field(default=300.0, ge=1, le=86_400)
    commit_rows: int = Field(default=200_000, ge=100, le=5_000_000)
    commit_bytes: int = Field(default=256 * MIB, ge=MIB, le=4_096 * MIB)
    lease_seconds: float = Field(default=60.0, ge=0, le=3_600)
    compact_after_days: int = Field(default=2, ge=1, le=365)
    keep_removed_seconds: float = Field(default=3_600.0, ge=0, le=31_536_000)

    @model_validator(mode="after")
    def _names_one_catalog_without_secrets(self) -> Self:
        problems = [
            Problem(f"catalog.{name}", "may be a secret, and this table is shown", _remedy(name))
            for name, value in self.catalog.items()
            if _SECRET.search(name) or _PASSWORD.search(value)
        ]
        if self.catalog_path is not None and (self.catalog or self.catalog_uri):
            problems.append(Problem("catalog_path", "is given beside another catalog", "keep one of them"))
        if problems:
            raise ConfigurationError(*problems)
        return self

    def catalog_properties(self) -> dict[str, str]:
        """Return the properties of the catalog with its secrets, for PyIceberg alone; empty for the SQLite file."""
        secrets = {"uri": self.catalog_uri, "token": self.catalog_token, "credential": self.catalog_credential}
        known = {name: value.get_secret_value() for name, value in secrets.items() if value is not None}
        return {**self.catalog, **known}


def _remedy(name: str) -> str:
    return f"set catalog_{name}_file instead" if name in ("uri", "token", "credential") else "give it another way"
