from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.types import TelemetryConfig

FILE = """
environment = "test"
[audit_config]
kafka_brokers = "memory:"
scrub = true
scrub_keys = ["member number"]
[[audit_config.event_policies]]
type = "order.*"
delivery = "delivered"
on_failure = "raise"
"""


@pytest.fixture
def stated(tmp_path: Path) -> Path:
    path = tmp_path / "telemetry.toml"
    path.write_text(FILE)
    return path


def test_tables_of_a_file_are_read(stated: Path) -> None:
    (policy,) = TelemetryConfig.load(stated).audit_config.event_policies

    assert (policy.type, policy.delivery, policy.on_failure) == ("order.*", "delivered", "raise")


@pytest.mark.parametrize(
    "table",
    ["type = 'a'\ndelivery = 'transactional'", "type = ''", "delivery = 'durable'", "type = 'a'\nblock_seconds = 0"],
)
def test_unfit_table_is_refused(tmp_path: Path, table: str) -> None:
    path = tmp_path / "telemetry.toml"
    path.write_text(f"{FILE}[[audit_config.event_policies]]\n{table}\n")

    with pytest.raises(ConfigurationError, match=r"audit_config\.event_policies"):
        TelemetryConfig.load(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("SCRUB", "false"), ("SCRUB_KEYS", "[]"), ("EVENT_POLICIES", "[]"), ("SCRUB_SPARED_KEYS", '["token"]')],
)
def test_environment_does_not_weaken_what_is_stated(
    stated: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    stated.write_text(FILE.replace("scrub = true\n", "scrub = true\nscrub_spared_keys = []\n"))
    monkeypatch.setenv(f"TELEMETRY_AUDIT_CONFIG__{name}", value)

    with pytest.raises(ConfigurationError, match="TELEMETRY_AUDIT_CONFIG__"):
        TelemetryConfig.load(stated)
