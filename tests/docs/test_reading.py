from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig
from tests.support.in_process import run

ROOT = Path(__file__).parents[2]
PASSPHRASE = "correct horse battery staple"


def _blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def _config(kafka: EmbeddedKafka, folder: Path) -> AuditConfig:
    return AuditConfig(
        kafka_brokers=kafka.bootstrap_servers,
        security_protocol="PLAINTEXT",
        fallback_enabled=False,
        encryption_config={"provider": "local_key", "key_path": folder / "audit.key", "passphrase": PASSPHRASE},  # type: ignore[arg-type]
    )


def _write_config(kafka: EmbeddedKafka) -> None:
    Path("telemetry.toml").write_text(
        f'[audit_config]\nkafka_brokers = "{kafka.bootstrap_servers}"\nsecurity_protocol = "PLAINTEXT"\n'
        f'[audit_config.encryption_config]\nprovider = "local_key"\nkey_path = "audit.key"\npassphrase = "{PASSPHRASE}"\n'
    )


def test_the_examples_of_reading_run_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    with EmbeddedKafka() as kafka:
        with Telemetry(_config(kafka, tmp_path)) as telemetry:
            telemetry.audit.log("user_login", {"method": "passkey"}, "user-7", outcome="success")
            telemetry.audit.log("order_read", {"order": 5}, "user-123", outcome="denied")
        for example in _blocks("reading.md", "python"):
            exec(compile(example.replace("localhost:9092", kafka.bootstrap_servers), "reading.md", "exec"), names)  # noqa: S102

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert "order_read {'order': 5} sealed proven: not judged audit-events[" in lines[0]
    assert lines[1:] == ["user-7", "4 events, 0 copies", "[]"]


def test_the_filters_of_reading_select(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (commands,) = (block for block in _blocks("reading.md", "sh") if "--entity" in block)
    with EmbeddedKafka() as kafka:
        _write_config(kafka)
        with Telemetry(_config(kafka, tmp_path)) as telemetry:
            log = telemetry.audit.log
            log("order_shown", {"n": 1}, "ada", entity="order", entity_id="77", outcome="success")
            log("order_shown", {"n": 2}, "ada", entity="order", entity_id="770", outcome="success")
            log("login", {"n": 3}, "eve", ip_address="10.1.2.3", outcome="denied")
            log("login", {"n": 4}, "eve", ip_address="10.1.2.3", outcome="success")
            log("login", {"n": 5}, "eve", ip_address="110.1.2.3", outcome="denied")
            log(
                "order_changed",
                {"n": 6, "order": {"id": 77}},
                "ada",
                changes={"status": {"old": "open", "new": "paid"}},
            )
            log(
                "order_changed",
                {"n": 7, "order": {"id": 78}},
                "ada",
                changes={"status": {"old": "open", "new": "paid"}},
            )
            log("order_paid", {"n": 8}, "ada", occurred_at="2026-01-30T23:00:00Z")
            log("order_paid", {"n": 9}, "ada", occurred_at="2026-01-31T06:00:00.5Z")
        found = []
        for line in commands.splitlines():
            ended = run(*(part.strip("'") for part in line.split()[1:]), "--json", "--user", "ada", "--user", "eve")
            assert ended.code == 0, ended.err
            found.append([json.loads(event)["payload"]["n"] for event in ended.out.splitlines()])

    assert found == [[1], [3], [6], [8]]


def test_the_commands_of_exporting_run_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands = "".join(_blocks("export.md", "sh"))
    (rules,) = _blocks("export.md", "toml")
    Path("rules.toml").write_text(rules)
    with EmbeddedKafka() as kafka:
        _write_config(kafka)
        with Telemetry(_config(kafka, tmp_path)) as telemetry:
            telemetry.audit.log("login_failed", {}, "user-7", outcome="denied")
            telemetry.audit.log("role.granted", {"roles": ["admin"], "client": {"ip": "10.0.0.9"}}, "user-7")
        ended = [run(*(part.strip("'") for part in line.split()[1:])) for line in commands.splitlines()]

    assert [found.code for found in ended] == [0] * 4
    assert {"telemetry-3002", "telemetry-6003"} <= {path.parts[2] for path in Path("lake").rglob("*.parquet")}
    assert Path("january.parquet").stat().st_mode & 0o777 == 0o600
    assert b'"class_uid":3002' in ended[1].out
    (granted,) = map(json.loads, ended[3].out.splitlines())
    assert (granted["type_uid"], granted["severity"], granted["privileges"]) == (300501, "Medium", ["admin"])
    assert (granted["src_endpoint"], granted["resource"]) == ({"ip": "10.0.0.9"}, {"name": "payroll"})
