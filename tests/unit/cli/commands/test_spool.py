"""``telemetry spool``: what is in the folder, and how a quarantined segment comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.in_process import run
from tests.support.leftovers import leave_segment, left_in, records


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration of a service that encrypts nothing and has a storage secret."""
    file = tmp_path / "telemetry.toml"
    file.write_text(
        f"""
        service_name = "shop"
        environment = "production"
        [audit_config]
        kafka_brokers = "127.0.0.1:1"
        security_protocol = "PLAINTEXT"
        encryption_enabled = false
        fallback_enabled = false
        storage_secret = "{"ab" * 32}"
        spool_path = "{tmp_path / "spool"}"
        """
    )
    file.chmod(0o600)
    return file


def quarantined(folder: Path) -> str:
    path = leave_segment(folder, records(5))
    for name in (path, path.with_name(path.name + "-wal")):
        name.rename(str(name).replace(".spool", ".quarantined"))
    return f"{path.stem}.quarantined"


def test_quarantined_segment_is_listed_and_accepted(config: Path) -> None:
    spool = config.parent / "spool"
    name = quarantined(spool)

    listed = run("spool", "list", "--json", "-c", str(config))
    accepted = run("spool", "accept", name, "-c", str(config))

    assert listed.code == 0, listed.err
    assert [(row["state"], row["name"]) for row in map(json.loads, listed.out.splitlines())] == [("quarantined", name)]
    assert accepted.code == 0, accepted.err
    assert "5 records" in accepted.err
    (file,) = left_in(spool)
    assert file == name.replace(".quarantined", ".spool")
    assert b"login" not in (spool / file).read_bytes()
    assert b"waiting" in run("spool", "list", "-c", str(config)).out


@pytest.mark.parametrize(
    ("name", "code"), [("../telemetry.toml", 2), ("a.spool", 2), ("absent.quarantined", 1), ("", 2)]
)
def test_other_names_are_refused(config: Path, name: str, code: int) -> None:
    quarantined(config.parent / "spool")
    ended = run("spool", "accept", name, "-c", str(config))
    assert ended.code == code, ended.err
    assert len([file for file in left_in(config.parent / "spool") if file.endswith(".quarantined")]) == 1
