"""``telemetry catalog``: exported, compared with another version, with code, and with a trail."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig, TelemetryConfig
from tests.support.in_process import run

NAME = "tests.unit.catalog.shop_catalog:catalog"
CODE = """
from telemetry.catalog import AuditCatalog, Event

catalog = AuditCatalog("shop", version=4)


@catalog.event("mail.sent", retention="1y")
class MailSent(Event):
    to: str
"""


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    file = tmp_path / "catalog.json"
    assert run("catalog", "export", NAME, "-o", str(file)).code == 0
    return file


@pytest.mark.parametrize("format_", ["json-schema", "markdown", "openapi", "ocsf"])
def test_catalogue_is_exported_in_each_format(exported: Path, format_: str) -> None:
    from_code, from_file = (run("catalog", "export", each, "--format", format_) for each in (NAME, str(exported)))

    assert (from_code.code, from_file.code) == (0, 0)
    assert from_code.out == from_file.out
    assert b"order.refunded" in from_code.out


def test_export_does_not_replace_a_file(exported: Path) -> None:
    before = exported.read_bytes()

    assert run("catalog", "export", NAME, "--format", "markdown", "-o", str(exported)).code == 2
    assert exported.read_bytes() == before
    assert run("catalog", "export", NAME, "--format", "markdown", "-o", str(exported), "--force").code == 0


def test_weaker_and_breaking_changes_fail(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "later_events.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "later_events", raising=False)

    worse = run("catalog", "diff", str(exported), "later_events:catalog", "--json")
    shown = run("catalog", "diff", str(exported), "later_events:catalog")
    same = run("catalog", "diff", str(exported), NAME)
    changes = json.loads(worse.out)["changes"]

    assert (worse.code, shown.code, same.code) == (1, 1, 0)
    assert {"effect": "breaking", "event_type": "order.refunded", "text": "is no longer declared"} in changes
    assert {
        "effect": "weaker",
        "event_type": "mail.sent",
        "text": "payload.to personal: mask becomes not",
    } in changes
    assert b"is no longer declared" in shown.out
    assert "no difference" in same.err


def test_lint_names_file_and_line(exported: Path, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "shop.py").write_text(
        '\ntelemetry.audit.log("mail.snt", {}, "ada")\ntelemetry.audit.log(kind, {}, "ada")\n'
    )

    shown = run("catalog", "lint", str(code), "--catalog", str(exported))
    found = run("catalog", "lint", str(code), "--catalog", str(exported), "--json", "--strict")

    assert (shown.code, found.code) == (1, 1)
    assert shown.out.decode() == f"{code / 'shop.py'}:2:21: 'mail.snt' is not declared; did you mean 'mail.sent'?\n"
    assert [each["line"] for each in json.loads(found.out)["findings"]] == [2, 3]
    assert run("catalog", "lint", str(tmp_path / "absent"), "--catalog", str(exported)).code == 2
    (code / "shop.py").write_text('telemetry.audit.log("mail.sent", {"to": "a"}, "ada")\n')
    assert run("catalog", "lint", str(code), "--catalog", str(exported)).code == 0


def test_coverage_of_a_topic_needs_no_key(exported: Path, tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        audit = AuditConfig(
            kafka_brokers=kafka.bootstrap_servers,
            security_protocol="PLAINTEXT",
            encryption_enabled=False,
            fallback_enabled=False,
            self_audit=True,
        )
        with Telemetry(TelemetryConfig(service_name="shop", audit_config=audit)) as telemetry:
            for event_type in ("mail.sent", "mail.sent", "other"):
                telemetry.audit.log(event_type, {}, "ada")
        where = ("--brokers", kafka.bootstrap_servers, "--security-protocol", "PLAINTEXT", "--catalog", str(exported))
        found = run("catalog", "coverage", *where, "--json")
        shown = run("catalog", "coverage", *where)
        other = run("catalog", "coverage", *where, "--service", "bank", "--json")
        strict = run("catalog", "coverage", *where, "--strict")
        copy = tmp_path / "copy.jsonl"
        run("export", "--sealed", "-o", str(copy), *where[:4])
        offline = run("catalog", "coverage", "--catalog", str(exported), "--file", str(copy), "--json")

    facts = json.loads(found.out)
    counts = {kind["event_type"]: kind["events"] for kind in facts["types"]}
    assert (found.code, shown.code, strict.code) == (0, 0, 1)
    assert (counts["mail.sent"], counts["order.refunded"], facts["undeclared"]) == (2, 0, ["other"])
    assert "order.refunded" in facts["unseen"]
    assert b"never" in shown.out
    assert "1 were seen and are not declared" in shown.err
    assert json.loads(other.out)["undeclared"] == []
    assert json.loads(offline.out)["types"] == facts["types"]


def test_time_that_is_none_is_refused(exported: Path) -> None:
    ended = run("catalog", "coverage", "--catalog", str(exported), "--brokers", "127.0.0.1:9", "--since", "soon")

    assert ended.code == 2
    assert "--since" in ended.err


def test_since_does_not_go_with_a_file(exported: Path) -> None:
    ended = run("catalog", "coverage", "--catalog", str(exported), "--file", str(exported), "--since", "1h")

    assert ended.code == 2
    assert "--since" in ended.err
