"""Configures the store that keeps the key of each subject."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from telemetry.config.model import ConfigModel
from telemetry.config.secret_files import SecretFiles
from telemetry.exceptions import ConfigurationError, Problem

_STORE = re.compile(r"(?:sqlite|postgres(?:ql)?)(?:\+\w+)?://.+", re.DOTALL)


class SubjectKeysConfig(ConfigModel):
    """A key for each subject of the trail, so that a subject can be forgotten (docs/subject-keys.md).

    Attributes:
        store: ``postgresql://user@host/name``, or ``sqlite:////folder/file.db`` for one host. The trail cannot be read without
            this store, and what it has lost is forgotten: back it up.
        store_file: File whose first line is ``store``, since it may hold a password.
        lease_seconds: How long a process may seal under the keys that it has without hearing from the store. A subject is
            forgotten at the latest this long after the command, 10 to 3,600 seconds.
        cached_keys: Keys that a process keeps in memory, 100 to 1,000,000; each costs about one KiB.
        store_key_max_age_days: The key that wraps new keys of subjects is replaced after this time.
    """

    secret_files: ClassVar[SecretFiles] = {"store_file": "store"}

    store: SecretStr | None = None
    store_file: Path | None = None
    lease_seconds: float = Field(default=300.0, ge=10, le=3_600)
    cached_keys: int = Field(default=20_000, ge=100, le=1_000_000)
    store_key_max_age_days: float = Field(default=90.0, gt=0, le=3_650)

    @model_validator(mode="after")
    def _names_a_store(self) -> Self:
        remedy = "give postgresql://user@host/name or sqlite:////folder/file.db"
        if self.store is None:
            raise ConfigurationError(Problem("store", "is missing", remedy))
        if not _STORE.fullmatch(self.store.get_secret_value()):
            raise ConfigurationError(Problem("store", "is no URL of a supported database", remedy))
        return self
