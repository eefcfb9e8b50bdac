"""Lists every setting in force: its value without secrets, and where it comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from telemetry.config.in_force.masking import shown_value
from telemetry.config.loading.layers import Layers, Origin
from telemetry.config.loading.short_variables import FieldPath
from telemetry.config.model import ConfigModel
from telemetry.config.telemetry import TelemetryConfig

_GIVEN_ELSEWHERE: dict[FieldPath, FieldPath] = {
    ("audit_config", "kafka_brokers"): ("audit_config", "kafka_config", "brokers"),
    ("audit_config", "kafka_topic"): ("audit_config", "kafka_config", "topic"),
}
"""Fields that another one may fill."""
_SERVICE_NAME = ("service_name",)
"""Its default depends on the environment and the program."""
_DEFAULT = Origin("default")
_DERIVED = Origin("derived")


class Setting(NamedTuple):
    """One setting in force.

    Attributes:
        path: Path of the field.
        value: What may be shown of its value, as JSON may have it; None if the field is not set.
        origin: Where it comes from: of the kinds ``argument``, ``variable``, ``file``, ``secret file``, ``derived`` (from
            other settings) or ``default``.
    """

    path: FieldPath
    value: Any
    origin: Origin

    @property
    def name(self) -> str:
        """Dotted path of the field."""
        return ".".join(self.path)


def settings_in_force(layers: Layers) -> list[Setting]:
    """Return every setting, in the order of docs/configuration.md.

    Args:
        layers: What arguments, environment and file say.

    Raises:
        ConfigurationError: With every problem found.
    """
    return list(_settings(layers.create(TelemetryConfig), layers, ()))


def _settings(section: ConfigModel, layers: Layers, above: FieldPath) -> Iterator[Setting]:
    """Yield the settings of a section, then those of the sections in it."""
    inner: list[tuple[FieldPath, ConfigModel]] = []
    for name, field in type(section).model_fields.items():
        path, value = (*above, name), getattr(section, name)
        if isinstance(value, ConfigModel):
            inner.append((path, value))
            continue
        default = field.get_default(call_default_factory=True, validated_data={}) if path != _SERVICE_NAME else None
        is_default = value == default
        yield Setting(path, shown_value(name, value), _origin(section, layers, path, is_default=is_default))
    for path, value in inner:
        yield from _settings(value, layers, path)


def _origin(section: ConfigModel, layers: Layers, path: FieldPath, *, is_default: bool) -> Origin:
    given = layers.origin_of(path) or layers.origin_of(_GIVEN_ELSEWHERE.get(path, path))
    if given is not None:
        return given
    file = next((file for file, secret in section.secret_files.items() if secret == path[-1]), None)
    if file is not None and getattr(section, file) is not None:
        return Origin("secret file", str(getattr(section, file)))
    if is_default:
        return _DEFAULT
    if path == _SERVICE_NAME and os.environ.get("OTEL_SERVICE_NAME", "").strip():
        return Origin("variable", "OTEL_SERVICE_NAME")
    return _DERIVED
