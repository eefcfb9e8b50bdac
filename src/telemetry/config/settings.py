"""Reads the configuration from environment variables and a TOML file."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from telemetry.config.audit import AuditConfig


class LoadedConfig(BaseSettings):
    """The fields of a ``TelemetryConfig`` as they were found; None where nothing names a field."""

    model_config = SettingsConfigDict(
        env_prefix="TELEMETRY_", env_nested_delimiter="__", extra="forbid", hide_input_in_errors=True
    )

    service_name: str | None = None
    environment: str | None = None
    version: str | None = None
    audit_config: AuditConfig


def settings_class(path: Path | None) -> type[LoadedConfig]:
    """Return the class that reads arguments first, then ``TELEMETRY_*`` variables, then the TOML file if there is one."""

    class Loaded(LoadedConfig):
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
            if path is not None:
                sources.append(TomlConfigSettingsSource(settings_cls, path))
            return tuple(sources)

    return Loaded
