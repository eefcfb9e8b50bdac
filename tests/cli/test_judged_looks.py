"""The stream of looks verifies like any other, by a key with the role reader."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from telemetry.encryption.signing_key import SigningKey
from telemetry.explorer.access.looks import Looks
from telemetry.explorer.access.person import Person
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.session import Session
from telemetry.testing import EmbeddedKafka
from telemetry.types import ExplorerConfig, SigningConfig, TelemetryConfig
from tests.support.in_process import run
from tests.support.quick_telemetry import quick_config

TRUST = """\
version = 1

[[key]]
public = "{}"
roles = ["{}"]
sources = ["/*/telemetry-reader"]
"""


async def look(config: TelemetryConfig) -> None:
    session = Session(Person(subject="u-17", name="Ada", right=Right.READ, how="oidc"))
    session.open_content("ticket 1")
    async with Looks(config) as looks:
        for _ in range(20):
            await looks.viewed(session, "01900000-0000-7000-8000-000000000000")


def test_looks_are_proven_by_the_readers_key(tmp_path: Path) -> None:
    key = SigningKey.create(tmp_path / "signing", "correct horse battery", name="readers").public_key
    signing = SigningConfig(key_path=tmp_path / "signing", passphrase="correct horse battery")  # type: ignore[arg-type]
    with EmbeddedKafka() as kafka:
        audit = quick_config(kafka.bootstrap_servers, tmp_path, signing_config=signing)
        asyncio.run(look(TelemetryConfig(audit_config=audit, explorer_config=ExplorerConfig(record_seconds=60))))
        where = ("--brokers", kafka.bootstrap_servers, "--security-protocol", "PLAINTEXT", "--json")
        found = {}
        for role in ("reader", "service"):
            trust = tmp_path / f"{role}.toml"
            trust.write_text(TRUST.format(key, role))
            trust.chmod(0o600)
            found[role] = run("verify", *where, "--trust", str(trust))

    assert found["reader"].out, found["reader"].err
    (stream,) = json.loads(found["reader"].out)["producers"]
    assert (stream["verdict"], stream["proven"]) == ("complete", 20)
    assert found["reader"].code == 0
    assert found["service"].code != 0
