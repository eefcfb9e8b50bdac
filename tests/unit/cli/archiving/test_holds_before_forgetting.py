"""Before subjects are forgotten the archive's holds are asked, and not knowing them refuses it."""

from __future__ import annotations

import sys

import pytest

from telemetry.cli.commands.keep.subject_archive import require_no_hold_of_archive
from telemetry.config import ArchiveConfig, AuditConfig, TelemetryConfig
from telemetry.exceptions import MissingExtraError


def _config(archive: ArchiveConfig | None) -> TelemetryConfig:
    audit = AuditConfig(
        kafka_brokers="localhost:1", security_protocol="PLAINTEXT", encryption_enabled=False, fallback_enabled=False
    )
    return TelemetryConfig(audit_config=audit, archive_config=archive)


def test_nothing_is_asked_without_an_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "telemetry.archive.upkeep.holds.refusing", None)

    require_no_hold_of_archive(_config(None), ["ada"], [], keys=())


def test_missing_libraries_refuse_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "telemetry.archive.upkeep.holds.refusing", None)

    with pytest.raises(MissingExtraError, match="legal holds"):
        require_no_hold_of_archive(_config(ArchiveConfig(location="/srv/archive")), ["ada"], [], keys=())
