"""Defines the whole configuration, from Python, environment variables or a TOML file."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from pydantic import Field, field_validator, model_validator

from telemetry.config.archiving.section import ArchiveConfig
from telemetry.config.audit import AuditConfig
from telemetry.config.explorer.serving import ExplorerConfig
from telemetry.config.gateway.serving import GatewayConfig
from telemetry.config.local import local_problem
from telemetry.config.model import ConfigModel
from telemetry.config.outbox import OutboxConfig
from telemetry.exceptions import ConfigurationError, Problem

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_NAME = 200
_NOT_PLAIN = Problem("", f"must be 1 to {_MAX_NAME} characters without control characters", "choose a plain name")
_MAX_ENCODED_NAME = 2_000
"""Environment and service are two parts of a stream's name in its checkpoints, which has at most 4,096 characters."""
_TOO_LONG_ENCODED = Problem(
    "", f"has more than {_MAX_ENCODED_NAME} characters when it is percent-encoded for a URI", "choose a shorter name"
)
_HAS_COLON = Problem("", "has a colon, which ends the user id in the Kafka key", "leave it out")


def default_service_name() -> str:
    """Return ``OTEL_SERVICE_NAME``, else the program's name: of ``python -m shop`` it is ``shop``."""
    program = Path(sys.argv[0]) if sys.argv and sys.argv[0] not in ("", "-c", "-m") else Path()
    # A package is run as the file __main__.py in its folder: that name would be the same for all services.
    name = program.absolute().parent.name if program.stem == "__main__" else program.stem
    return os.environ.get("OTEL_SERVICE_NAME", "").strip() or name or "python"


def problem_of_service_name(name: str) -> Problem | None:
    """Return why a service cannot have this name; None if it can."""
    # The Kafka key is user_id:service_name: with a colon in both, two users of two services could share one.
    return _problem_of_name(name) or (_HAS_COLON if ":" in name else None)


def _problem_of_name(name: str) -> Problem | None:
    if not name.strip() or len(name) > _MAX_NAME or _CONTROL.search(name):
        return _NOT_PLAIN
    return _TOO_LONG_ENCODED if len(quote(name, safe="")) > _MAX_ENCODED_NAME else None


class TelemetryConfig(ConfigModel):
    """Who logs, and how.

    Attributes:
        service_name: Name of the service, without a colon; default: ``OTEL_SERVICE_NAME``, else the program's name,
            which is ``shop`` for ``python -m shop``.
        environment: Deployment environment, such as ``production``; there events must be sent.
        version: Version of the service.
        audit_config: The audit pipeline.
        outbox_config: The database whose outbox is relayed (docs/outbox.md).
        gateway_config: The gateway for services in other languages (docs/gateway.md).
        explorer_config: The explorer in which auditors look at the trail (docs/explorer.md).
        archive_config: The archive that keeps the trail for years (docs/archive.md).
    """

    service_name: str = Field(default_factory=default_service_name, validate_default=True)
    environment: str = "production"
    version: str = ""
    audit_config: AuditConfig
    outbox_config: OutboxConfig | None = None
    gateway_config: GatewayConfig | None = None
    explorer_config: ExplorerConfig | None = None
    archive_config: ArchiveConfig | None = None

    @field_validator("environment")
    @classmethod
    def _is_a_plain_name(cls, value: str) -> str:
        problem = _problem_of_name(value)
        if problem is not None:
            raise ConfigurationError(problem)
        return value

    @field_validator("service_name")
    @classmethod
    def _is_a_name_of_a_service(cls, value: str) -> str:
        problem = problem_of_service_name(value)
        if problem is not None:
            raise ConfigurationError(problem)
        return value

    @field_validator("version")
    @classmethod
    def _has_no_control_characters(cls, value: str) -> str:
        if len(value) > _MAX_NAME or _CONTROL.search(value):
            raise ConfigurationError(
                Problem("", f"must be at most {_MAX_NAME} characters without control characters", "shorten it")
            )
        return value

    @model_validator(mode="after")
    def _sends_events_in_production(self) -> Self:
        problem = local_problem(self.audit_config.local_mode, self.environment)
        if problem is not None:
            raise ConfigurationError(problem)
        return self

    @classmethod
    def load(cls, path: str | Path | None = None, **overrides: Any) -> Self:
        """Read a TOML file and ``TELEMETRY_*`` variables: short names, or paths joined by ``__``.

        The order is: argument, environment, file, default. The environment may make a protection stricter than the file,
        never weaker, and a file that another user could have written is refused (docs/configuration.md).

        Args:
            path: TOML file; without it only the environment is read.
            **overrides: Fields that win over everything.

        Returns:
            The configuration.

        Raises:
            ConfigurationError: With every problem found, including an unreadable file.
        """
        # Its library costs a third of a start, and a configuration built in Python does not use it.
        from telemetry.config.loading.layers import read_layers  # noqa: PLC0415

        return read_layers(path, overrides).create(cls)
