"""Configures the relay of the transactional outbox."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from telemetry.config.model import ConfigModel
from telemetry.config.secret_files import SecretFiles
from telemetry.exceptions import ConfigurationError, Problem


class OutboxConfig(ConfigModel):
    """Configuration of ``telemetry relay``, and of relays that an integration starts.

    Attributes:
        database: ``postgresql://user@host/name`` or ``sqlite:///folder/file.db``.
        database_file: File whose first line is ``database``, since it may hold a password.
        table: Name of the table, with its schema if it has one.
        batch_rows: Rows that are on their way to Kafka at once.
        poll_seconds: How often the relay looks for new rows when there were none.
    """

    secret_files: ClassVar[SecretFiles] = {"database_file": "database"}

    database: SecretStr | None = None
    database_file: Path | None = None
    table: str = Field(
        default="telemetry_outbox", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$"
    )
    batch_rows: int = Field(default=500, ge=1, le=10_000)
    poll_seconds: float = Field(default=1.0, ge=0.01, le=3_600)

    @model_validator(mode="after")
    def _names_a_database(self) -> Self:
        if self.database is None:
            raise ConfigurationError(Problem("database", "is missing", "name the database of the outbox"))
        return self
