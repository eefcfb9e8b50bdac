"""Reads a configuration from ``TELEMETRY_*`` variables and a TOML file by pydantic-settings.

Only :meth:`TelemetryConfig.load` imports this module: a configuration that is written in Python does without.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from telemetry.config.audit import AuditConfig


class _LoadedConfig(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="TELEMETRY_", env_nested_delimiter="__", extra="forbid", hide_input_in_errors=True
    )

    service_name: str | None = None
    environment: str | None = None
    version: str | None = None
    audit_config: AuditConfig


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
            sources = [init_settings, env_settings]
            if file is not None:
                sources.append(TomlConfigSettingsSource(settings_cls, file))
            return tuple(sources)

    return Loaded
