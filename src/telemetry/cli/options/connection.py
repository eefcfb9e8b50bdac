"""The options that say where the trail is; the same for every command."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from telemetry.cli.output.console import fail
from telemetry.config import TelemetryConfig
from telemetry.exceptions import ConfigurationError, Problem, TelemetryError

_MAX_PASSPHRASE_BYTES = 4_096
_PANEL = "Where the trail is (also: TELEMETRY_* variables)"


def _option(*names: str, help_text: str) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=_PANEL)


_OPTIONS: dict[str, Any] = {
    "config": Annotated[Path | None, _option("--config", "-c", help_text="TOML file with the configuration.")],
    "brokers": Annotated[str | None, _option("--brokers", "-b", help_text="host:port,host:port")],
    "topic": Annotated[str | None, _option("--topic", "-t", help_text="Kafka topic.")],
    "service_name": Annotated[str | None, _option("--service-name", help_text="Name of the service that logs.")],
    "environment": Annotated[str | None, _option("--environment", help_text="Where it runs, such as production.")],
    "security_protocol": Annotated[
        str | None, _option("--security-protocol", help_text="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.")
    ],
    "ca": Annotated[Path | None, _option("--ca", help_text="PEM file with the brokers' authorities.")],
    "cert": Annotated[Path | None, _option("--cert", help_text="PEM file with the client's certificate.")],
    "key": Annotated[Path | None, _option("--key", help_text="PEM file with the client's private key.")],
    "key_path": Annotated[Path | None, _option("--key-path", help_text="Key file of the provider local_key.")],
    "passphrase_file": Annotated[
        Path | None, _option("--passphrase-file", help_text="File whose first line is the key file's passphrase.")
    ],
    "fallback_path": Annotated[
        Path | None, _option("--fallback-path", help_text="Folder of the fallback store local_file.")
    ],
}

Loader = Callable[..., TelemetryConfig]


def with_connection(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the connection options; it receives ``load``, which makes the configuration of them.

    Errors of this library end the command with their message and exit code.
    """
    own = inspect.signature(command)

    @functools.wraps(command)
    def wrapped(**values: Any) -> None:
        given = {name: values.pop(name) for name in _OPTIONS}
        try:
            command(load=functools.partial(load_config, given), **values)
        except TelemetryError as exc:
            raise fail(exc) from exc
        except KeyboardInterrupt:
            raise typer.Exit(130) from None

    parameters = [parameter for parameter in own.parameters.values() if parameter.name != "load"]
    hints = {
        name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in _OPTIONS.items()
    }
    annotations = {
        name: hint for name, hint in inspect.get_annotations(command, eval_str=True).items() if name != "load"
    }
    # Typer reads names and help of options from the signature, where annotations must not be text any more.
    kept = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=annotations[parameter.name])
        for parameter in parameters
    ]
    wrapped.__signature__ = inspect.Signature([*kept, *hints.values()])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {**annotations, **_OPTIONS}
    for parameter in kept:
        wrapped.__annotations__.setdefault(parameter.name, parameter.annotation)
    return wrapped


def load_config(given: dict[str, Any], **audit: Any) -> TelemetryConfig:
    """Make the configuration of options, environment and file; ``audit`` wins over all of them.

    Raises:
        ConfigurationError: With every problem found.
    """
    flat = {
        "kafka_brokers": given["brokers"],
        "kafka_topic": given["topic"],
        "security_protocol": given["security_protocol"],
        "kafka_config": _present(
            ssl_ca_location=given["ca"], ssl_certificate_location=given["cert"], ssl_key_location=given["key"]
        ),
        "encryption_config": _encryption(given),
        "storage_config": given["fallback_path"] and {"provider": "local_file", "base_path": given["fallback_path"]},
    }
    overrides = _present(
        service_name=given["service_name"],
        environment=given["environment"],
        audit_config=_present(**{**flat, **audit}),
    )
    return TelemetryConfig.load(given["config"], **overrides)


def _encryption(given: dict[str, Any]) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    if given["key_path"] is not None:
        found |= {"provider": "local_key", "key_path": given["key_path"]}
    if given["passphrase_file"] is not None:
        found["passphrase"] = read_passphrase(given["passphrase_file"])
    return found or None


def read_passphrase(path: Path) -> str:
    """Return the first line of a passphrase file.

    Raises:
        ConfigurationError: It cannot be read, or its first line is empty or too long.
    """
    try:
        with path.open("rb") as file:  # a pipe is fine, as of a shell's <(...)
            line = file.readline(_MAX_PASSPHRASE_BYTES + 1)
        passphrase = line.decode("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as exc:
        raise ConfigurationError(Problem("passphrase_file", f"{path} cannot be read", "check it")) from exc
    if not passphrase or len(line) > _MAX_PASSPHRASE_BYTES:
        reason = f"the first line of {path} is {'too long' if passphrase else 'empty'}"
        raise ConfigurationError(Problem("passphrase_file", reason, "write the passphrase there"))
    return passphrase


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, {})}
