from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from django.test.utils import override_settings

from telemetry.integrations.django.process import AuditProcess
from telemetry.testing.captured.captured_events import CapturedEvents

NO_KEY: dict[str, Any] = {
    "config": {
        "audit_config": {
            "kafka_brokers": "127.0.0.1:9",
            "security_protocol": "PLAINTEXT",
            "fallback_enabled": False,
            "encryption_config": {"provider": "local_key", "key_path": "/nowhere/key", "passphrase": "correct horse"},
        }
    }
}


def test_project_may_bring_its_own_telemetry(
    events: CapturedEvents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_audit.py").write_text(
        "from tests.support.django_shop.site import TELEMETRY\n"
        "from telemetry.sync import Telemetry\nfrom telemetry.types import TelemetryConfig\n"
        "telemetry, other = Telemetry(TelemetryConfig(**TELEMETRY['config'])), 7\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    process, wrong = AuditProcess(), AuditProcess()
    with override_settings(TELEMETRY={"telemetry": "own_audit.telemetry"}):
        process.record("order.created", {}, user_id="ada")
    with override_settings(TELEMETRY={"telemetry": "own_audit.other"}), pytest.raises(TypeError, match="no Telemetry"):
        _ = wrong.web

    assert events.one("order.created")
    process.reset()


def test_failed_start_is_counted_and_not_repeated_at_once(caplog: pytest.LogCaptureFixture) -> None:
    process = AuditProcess()
    with override_settings(TELEMETRY=NO_KEY):
        process.record("order.created", {"card": "4111"}, user_id="ada")
        process.record("order.created", {"card": "4111"}, user_id="ada")

        assert not process.is_started
        assert process.recorder.failures == 3
    assert "4111" not in caplog.text


def test_missing_configuration_never_reaches_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    process = AuditProcess()
    with override_settings(TELEMETRY={"config": "/nowhere/telemetry.toml"}), caplog.at_level(logging.ERROR):
        process.record("order.created", {}, user_id="ada")
        with process.guarded():
            raise ZeroDivisionError

    assert "could not be" in caplog.text
