from __future__ import annotations

import sys
from pathlib import Path

import pytest

from telemetry.cli.feeding.serving import serving_config
from telemetry.config import GatewayConfig, TelemetryConfig
from telemetry.exceptions import ConfigurationError, MissingExtraError


def config(gateway: GatewayConfig | None = None) -> TelemetryConfig:
    audit = {"kafka_brokers": "memory:"}
    return TelemetryConfig(service_name="g", environment="test", audit_config=audit, gateway_config=gateway)  # type: ignore[arg-type]


def test_options_win_over_the_file() -> None:
    stated = GatewayConfig(listen=("https://0.0.0.0:1",), identities=Path("a"), refused_per_minute=7)

    chosen = serving_config(config(stated), listen=("unix:/b",), identities=None).gateway_config

    assert chosen is not None
    assert (chosen.listen, chosen.identities, chosen.refused_per_minute) == (("unix:/b",), Path("a"), 7)


def test_a_wrong_option_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="client_certificates"):
        serving_config(config(), client_certificates="never")


@pytest.mark.parametrize(
    "package", ["starlette", "uvicorn", "opentelemetry.exporter.prometheus", "opentelemetry.proto"]
)
def test_what_is_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(MissingExtraError, match=r"telemetry-audit\[serve\]"):
        serving_config(config())
