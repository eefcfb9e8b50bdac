"""Reads a configuration from ``TELEMETRY_*`` variables and a TOML file by pydantic-settings.

Only :meth:`TelemetryConfig.load` imports this module: a configuration that is written in Python does without.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from telemetry.config.audit import AuditConfig
from telemetry.config.encryption import EncryptionConfig, SigningConfig
from telemetry.config.gateway.serving import GatewayConfig
from telemetry.config.kafka import KafkaConfig
from telemetry.config.loading.strength import weakened
from telemetry.config.outbox import OutboxConfig
from telemetry.config.storage import StorageConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.system.file_trust import is_readable_by_all

logger = logging.getLogger("telemetry.config")

_SECRET_FILES = {
    file: secret
    for model in (AuditConfig, EncryptionConfig, KafkaConfig, OutboxConfig, SigningConfig, StorageConfig)
    for file, secret in model.secret_files.items()
} | {"storage_secret_file": "storage_secret", "former_storage_secret_files": "former_storage_secrets"}
_SECRETS = {*_SECRET_FILES.values(), "ssl_key_pem"}


class _LoadedConfig(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="TELEMETRY_", env_nested_delimiter="__", extra="forbid", hide_input_in_errors=True
    )

    service_name: str | None = None
    environment: str | None = None
    version: str | None = None
    audit_config: AuditConfig
    outbox_config: OutboxConfig | None = None
    gateway_config: GatewayConfig | None = None


class _Layers(PydanticBaseSettingsSource):
    """Arguments over environment over file; the environment weakens no protection that the file states.

    Args:
        settings_cls: The class that is filled.
        arguments: The first source.
        environment: The second.
        file: Path of the third; None without one.
    """

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        *,
        arguments: PydanticBaseSettingsSource,
        environment: PydanticBaseSettingsSource,
        file: Path | None,
    ) -> None:
        super().__init__(settings_cls)
        self._arguments = arguments
        self._environment = environment
        self._file = file

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return nothing: all values come at once, from the call of the source."""
        del field
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values of all sources.

        Raises:
            ConfigurationError: The environment would weaken the file.
        """
        layered, problems = self._layers()
        if problems:
            raise ConfigurationError(*problems)
        return layered

    def _layers(self) -> tuple[dict[str, Any], list[Problem]]:
        """Return the values of all sources, or the problems alone: a traceback with local variables shows no secret."""
        environment, stated = self._environment(), self._stated()
        problems = list(weakened(environment, stated))
        return ({}, problems) if problems else (_layered(self._arguments(), _layered(environment, stated)), [])

    def _stated(self) -> dict[str, Any]:
        if self._file is None:
            return {}
        values = TomlConfigSettingsSource(self.settings_cls, self._file)()
        if _has_secret(values) and is_readable_by_all(self._file):
            logger.warning(
                "%s has secrets and may be read by every user of this machine; chmod o-r it, or name files with the secrets",
                self._file,
            )
        return values


def load_settings(file: Path | None, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are set anywhere: in ``overrides``, else the environment, else the file.

    Raises:
        ValueError: A value cannot be used, or the file is not TOML; as pydantic and pydantic-settings raise it.
        OSError: The file cannot be read.
    """
    loaded = _settings_class(file)(**overrides)
    fields = {name: getattr(loaded, name) for name in _LoadedConfig.model_fields}
    return {name: value for name, value in fields.items() if value is not None}


def _settings_class(file: Path | None) -> type[_LoadedConfig]:
    class Loaded(_LoadedConfig):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (_Layers(settings_cls, arguments=init_settings, environment=env_settings, file=file),)

    return Loaded


def _layered(above: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, the first where both have a value; a secret and the file of the same secret are one value."""
    hidden = {_SECRET_FILES.get(name) for name in above}
    hidden |= {file for file, secret in _SECRET_FILES.items() if secret in above}
    merged = {name: value for name, value in below.items() if name not in hidden}
    for name, value in above.items():
        lower = merged.get(name)
        if isinstance(value, Mapping) and isinstance(lower, Mapping):
            merged[name] = _layered(value, lower)
        else:
            merged[name] = value
    return merged


def _has_secret(values: Mapping[str, Any]) -> bool:
    return any(
        name in _SECRETS or (isinstance(value, Mapping) and _has_secret(value)) for name, value in values.items()
    )
