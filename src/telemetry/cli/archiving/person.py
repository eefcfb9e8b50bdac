"""Finds the Kafka keys of the person that ``redact`` and ``hold`` are asked about."""

from __future__ import annotations

from telemetry.archive.searching.key_hashes import key_hashes_of
from telemetry.config import TelemetryConfig
from telemetry.exceptions import ConfigurationError, Problem


def person_hashes(config: TelemetryConfig, *, user: str | None, service: str | None) -> tuple[str, ...]:
    """Return the hashes of a person's Kafka keys; empty where no person was named.

    Args:
        config: Configuration of the trail.
        user: User id, as the service logs it.
        service: Service that logs the person's events.

    Raises:
        ConfigurationError: A person is named without the service.
    """
    if user is None:
        return ()
    # An archiver's configuration names the archiver, or nobody: as a default it would find no event, and protect none.
    if not service:
        remedy = "name the service that logs the user's events: an archive knows a user by the hash of user and service"
        raise ConfigurationError(Problem("--service", "is missing", remedy))
    return tuple(key_hashes_of(config, [user], [(config.environment, service)]))
