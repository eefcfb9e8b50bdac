"""Defines the options that say where the trail is; they are the same for every command."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telemetry.cli.interruption import exit_code_of, interrupted_by_signals
from telemetry.cli.options.bundle import Command, with_bundle
from telemetry.cli.options.passphrase import ask_passphrase, read_passphrase
from telemetry.cli.output.console import fail
from telemetry.exceptions import TelemetryError

if TYPE_CHECKING:
    from telemetry.config import EncryptionConfig, TelemetryConfig
    from telemetry.config.loading.layers import Layers

_PANEL = "Where the trail is (also: TELEMETRY_* variables)"


def _option(*names: str, help_text: str) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=_PANEL)


_OPTIONS: dict[str, Any] = {
    "config": Annotated[Path | None, _option("--config", "-c", help_text="TOML file with the configuration.")],
    "brokers": Annotated[str | None, _option("--brokers", "-b", help_text="Kafka brokers: host:port,host:port.")],
    "topic": Annotated[str | None, _option("--topic", "-t", help_text="Kafka topic.")],
    "service_name": Annotated[str | None, _option("--service-name", help_text="Name of the service that logs.")],
    "environment": Annotated[
        str | None, _option("--environment", help_text="Environment in which it runs, such as production.")
    ],
    "security_protocol": Annotated[
        str | None, _option("--security-protocol", help_text="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.")
    ],
    "ca": Annotated[
        Path | None, _option("--ca", help_text="PEM file with the authorities of the brokers' certificates.")
    ],
    "cert": Annotated[Path | None, _option("--cert", help_text="PEM file with the client's certificate.")],
    "key": Annotated[Path | None, _option("--key", help_text="PEM file with the client's private key.")],
    "key_path": Annotated[Path | None, _option("--key-path", help_text="Key file of the provider local_key.")],
    "passphrase_file": Annotated[
        Path | None, _option("--passphrase-file", help_text="File whose first line is the key file's passphrase.")
    ],
    "recovery_key": Annotated[
        Path | None,
        _option("--recovery-key", help_text="File of the offline recovery key, to read a trail whose own key is lost."),
    ],
    "recovery_passphrase_file": Annotated[
        Path | None,
        _option(
            "--recovery-passphrase-file",
            help_text="File whose first line is its passphrase; default: TELEMETRY_RECOVERY_PASSPHRASE, or a prompt.",
        ),
    ],
    "fallback_path": Annotated[
        Path | None, _option("--fallback-path", help_text="Folder of the fallback store local_file.")
    ],
}

Loader = Callable[..., "TelemetryConfig"]
LayersReader = Callable[[], "Layers"]


class ConfigLoader:
    """Builds the configuration from options, environment and file when it is called, as :func:`load_config` does.

    Args:
        given: Values of the options, by name.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    def __call__(self, **audit: Any) -> TelemetryConfig:
        """Return the configuration; ``audit`` wins over everything else."""
        return load_config(self._given, **audit)

    @property
    def words(self) -> list[str]:
        """The options that were given, for a command that reads the same trail; none of them is a secret."""
        return [f"--{name.replace('_', '-')}={value}" for name, value in self._given.items() if value not in (None, "")]


class ConnectionBundle:
    """The connection options as a bundle: a command gets a function that loads the configuration."""

    parameter = "load"
    options: Mapping[str, tuple[Any, Any]] = MappingProxyType(
        {name: (annotation, None) for name, annotation in _OPTIONS.items()}
    )

    def build(self, values: Mapping[str, Any]) -> ConfigLoader:
        """Return the function; it reads environment and file when it is called."""
        return ConfigLoader(values)


class LayersBundle:
    """The connection options as a bundle: a command gets a function that reads options, environment and file."""

    parameter = "read"
    options = ConnectionBundle.options

    def build(self, values: Mapping[str, Any]) -> LayersReader:
        """Return the function."""

        def read() -> Layers:
            from telemetry.config.loading.layers import read_layers  # noqa: PLC0415

            return read_layers(values["config"], _arguments(values, {}))

        return read


def with_layers(command: Command) -> Command:
    """Give a command the connection options; it receives ``read``, which returns where each field comes from."""
    return reporting_errors(with_bundle(command, LayersBundle()))


def with_connection(command: Command) -> Command:
    """Give a command the connection options; it receives ``load``, which builds the configuration from them.

    Errors of this library end the command with their message and exit code.
    """
    return reporting_errors(with_bundle(command, ConnectionBundle()))


def reporting_errors(command: Command) -> Command:
    """Have errors of this library end a command with their message and exit code."""

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        try:
            with interrupted_by_signals():
                command(**values)
        except TelemetryError as exc:
            raise fail(exc) from exc
        except KeyboardInterrupt as exc:
            raise typer.Exit(exit_code_of(exc)) from None

    return wrapper


def load_config(given: Mapping[str, Any], **audit: Any) -> TelemetryConfig:
    """Build the configuration from options, environment and file; ``audit`` wins over all of them.

    Raises:
        ConfigurationError: With every problem found.
    """
    from telemetry.config import TelemetryConfig  # noqa: PLC0415 - the help of a command needs no configuration

    return TelemetryConfig.load(given["config"], **_arguments(given, audit))


def _arguments(given: Mapping[str, Any], audit: Mapping[str, Any]) -> dict[str, Any]:
    # An option that was not given stays out, so that environment and file decide.
    flat = {
        "kafka_brokers": given["brokers"],
        "kafka_topic": given["topic"],
        "security_protocol": given["security_protocol"],
        "kafka_config": _present(
            ssl_ca_location=given["ca"], ssl_certificate_location=given["cert"], ssl_key_location=given["key"]
        ),
        "encryption_config": _recovery(given) or _encryption(given),
        "storage_config": given["fallback_path"] and {"provider": "local_file", "base_path": given["fallback_path"]},
    }
    return _present(
        service_name=given["service_name"],
        environment=given["environment"],
        audit_config=_present(**{**flat, **audit}),
    )


def _recovery(given: Mapping[str, Any]) -> EncryptionConfig | None:
    """Return the recovery key as the only key of the configuration, whose own key may be lost; None without one."""
    from pydantic import SecretStr  # noqa: PLC0415

    from telemetry.config import EncryptionConfig  # noqa: PLC0415 - the help of a command needs no configuration

    if given["recovery_key"] is None:
        return None
    passphrase = ask_passphrase(
        given["recovery_passphrase_file"],
        "TELEMETRY_RECOVERY_PASSPHRASE",
        confirm=False,
        label="Passphrase of the recovery key",
    )
    return EncryptionConfig(provider="recovery_key", key_path=given["recovery_key"], passphrase=SecretStr(passphrase))


def _encryption(given: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if given["key_path"] is not None:
        fields |= {"provider": "local_key", "key_path": given["key_path"]}
    if given["passphrase_file"] is not None:
        fields["passphrase"] = read_passphrase(given["passphrase_file"])
    return fields


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, {})}
