from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.support.in_process import run
from tests.support.written_trail import Signer

KEY = Signer(1, "payments").public_key


def test_written_trust_file_can_be_checked(tmp_path: Path) -> None:
    file = tmp_path / "trust.toml"
    options = ("--source", "/production/payments", "--topic", "audit-events", "--out", str(file))

    assert run("trust", "init", KEY, *options).code == 0
    shown = run("trust", "check", str(file))
    facts = json.loads(run("trust", "check", str(file), "--json").out)

    assert shown.code == 0
    assert b"valid" in shown.out
    assert [(each["roles"], each["sources"], each["status"]) for each in facts] == [
        (["service"], ["/production/payments"], "valid")
    ]
    assert run("trust", "init", KEY, *options).code == 2, "it must not replace a trust file"


def test_key_of_a_service_needs_a_source(tmp_path: Path) -> None:
    file = tmp_path / "trust.toml"
    ended = run("trust", "init", KEY, "--out", str(file))

    assert ended.code == 2
    assert "add sources" in ended.err
    assert not file.exists()


def test_auditor_needs_no_source(tmp_path: Path) -> None:
    assert run("trust", "init", KEY, "--role", "auditor", "--out", str(tmp_path / "trust.toml")).code == 0


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("not_after = 2020-01-01T00:00:00Z", "ended"),
        ("not_before = 2120-01-01T00:00:00Z", "not valid yet"),
        ("revoked_from = 2120-01-01T00:00:00Z", "revoked from 2120"),
    ],
)
def test_key_that_is_not_valid_is_named(change: str, status: str, tmp_path: Path) -> None:
    file = tmp_path / "trust.toml"
    run("trust", "init", KEY, "--source", "/production/payments", "--out", str(file))
    file.write_text(file.read_text() + change + "\n")

    facts = json.loads(run("trust", "check", str(file), "--json").out)
    shown = run("trust", "check", str(file))

    assert facts[0]["status"].startswith(status)
    assert "no key is valid now" in shown.err


def test_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "trust.toml"
    run("trust", "init", KEY, "--source", "/production/payments", "--out", str(file))
    file.chmod(0o666)
    ended = run("trust", "check", str(file))

    assert ended.code == 2
    assert "chmod go-w" in ended.err


def test_rubbish_is_refused(tmp_path: Path) -> None:
    assert run("trust", "init", "hello", "--out", str(tmp_path / "trust.toml")).code == 2
    assert run("trust", "check", str(tmp_path / "absent")).code == 2


def test_gateway_gets_an_entry_for_itself_and_one_for_its_services(tmp_path: Path) -> None:
    file = tmp_path / "trust.toml"
    run("trust", "init", Signer(2, "shop").public_key, "--source", "/production/shop", "--out", str(file))
    before = file.read_text()
    options = ("--gateway", "/production/gateway", "--source", "/production/payments", "--to", str(file))

    added = run("trust", "add", KEY, *options)
    facts = json.loads(run("trust", "check", str(file), "--json").out)

    assert added.code == 0, added.err
    assert file.read_text().startswith(before)
    assert [(each["roles"], each["sources"]) for each in facts] == [
        (["service"], ["/production/shop"]),
        (["service"], ["/production/gateway"]),
        (["gateway"], ["/production/payments"]),
    ]


@pytest.mark.parametrize(
    "options",
    [
        ("--gateway", "/production/gateway"),
        ("--gateway", "/production/gateway", "--source", "/production/gateway"),
        ("--gateway", "/production/gateway", "--source", "/production/shop", "--role", "service"),
        ("--role", "service"),
        ("--source", "shop"),
    ],
)
def test_entry_that_says_nothing_changes_no_trust_file(options: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "trust.toml"
    run("trust", "init", KEY, "--source", "/production/payments", "--out", str(file))
    before = file.read_text()

    assert run("trust", "add", KEY, *options, "--to", str(file)).code == 2
    assert file.read_text() == before


def test_gateway_that_could_sign_as_its_services_is_named(tmp_path: Path) -> None:
    file = tmp_path / "trust.toml"
    run("trust", "init", KEY, "--role", "service", "--role", "gateway", "--source", "/production/*", "--out", str(file))
    assert "give it two entries" in run("trust", "check", str(file)).err

    other = tmp_path / "other.toml"
    run("trust", "init", KEY, "--role", "gateway", "--source", "/production/*", "--out", str(other))
    assert "without a source of its own" in run("trust", "check", str(other)).err


def test_file_that_auditors_may_read_stays_so(tmp_path: Path) -> None:
    file = tmp_path / "trust.toml"
    run("trust", "init", KEY, "--source", "/production/payments", "--out", str(file))
    file.chmod(0o644)

    assert (
        run("trust", "add", Signer(2, "shop").public_key, "--source", "/production/shop", "--to", str(file)).code == 0
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_link_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    file, link = tmp_path / "trust.toml", tmp_path / "link.toml"
    run("trust", "init", KEY, "--source", "/production/payments", "--out", str(file))
    link.symlink_to(file)

    ended = run("trust", "add", Signer(2, "shop").public_key, "--source", "/production/shop", "--to", str(link))

    assert (ended.code, link.is_symlink()) == (2, True)
    assert "shop" not in file.read_text()


def test_archiver_is_added_and_advised(tmp_path: Path) -> None:
    file = tmp_path / "trust.toml"
    archiver, source = Signer(9, "archiver").public_key, "/production/telemetry-archiver"
    assert run("trust", "init", archiver, "--role", "archiver", "--source", source, "--out", str(file)).code == 0
    assert "note:" not in run("trust", "check", str(file)).err

    run("trust", "add", KEY, "--role", "archiver", "--to", str(file))
    run(
        "trust",
        "add",
        KEY,
        "--role",
        "archiver",
        "--role",
        "service",
        "--source",
        "/production/shop",
        "--to",
        str(file),
    )
    advice = " ".join(run("trust", "check", str(file)).err.split())

    assert "may sign the seals of any archiver" in advice
    assert "should have a key of its own" in advice


def test_key_is_not_added_to_a_file_that_is_absent(tmp_path: Path) -> None:
    ended = run("trust", "add", KEY, "--source", "/production/payments", "--to", str(tmp_path / "trust.toml"))

    assert ended.code == 2
    assert "telemetry trust init" in ended.err
    assert list(tmp_path.iterdir()) == []
