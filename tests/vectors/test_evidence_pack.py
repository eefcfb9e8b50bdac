"""The pack of an earlier version stays genuine, with and without the key of its trail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from telemetry.config import EncryptionConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.evidence import verify_pack
from telemetry.reader.open.opener import RecordOpener
from telemetry.reader.trust import parse_trust_file
from tests.support.evidence_site import unpacked

PACK = Path(__file__).with_name("evidence_pack.zip")
VECTOR = json.loads(PACK.with_suffix(".json").read_text("utf-8"))


@pytest.fixture
def opener(tmp_path: Path) -> Iterator[RecordOpener]:
    file = tmp_path / "key"
    file.write_text(json.dumps(VECTOR["key"]))
    file.chmod(0o600)
    config = EncryptionConfig(provider="local_key", key_path=file, passphrase=VECTOR["passphrase"])
    with closing(EncryptionProviderFactory.create(config)) as provider, closing(RecordOpener(provider)) as opener:
        yield opener


def test_pack_has_everything_that_a_pack_can_have() -> None:
    names = {name.partition("/")[0] for name in unpacked(PACK.read_bytes())}
    files = {"index.html", "keys.txt", "trust.toml", "population.txt", "manifest.json", "manifest.note"}
    assert names == {"events", "proofs", "disclosures", "rosters", "verification.json", "verification.html", *files}


def test_pack_is_genuine(opener: RecordOpener) -> None:
    policy = parse_trust_file(VECTOR["trust"].encode())
    closed, opened = (verify_pack(PACK, policy=policy, opener=each) for each in (None, opener))

    assert (closed.exit_code, closed.findings) == (0, ())
    assert (opened.exit_code, opened.findings) == (0, ())
    assert {check.name: str(check.state) for check in closed.checks} == {
        "form": "passed",
        "files": "passed",
        "keys": "noted",
        "signer": "passed",
        "rosters": "passed",
        "events": "passed",
        "proofs": "passed",
        "content": "noted",
        "date": "passed",
        "pages": "passed",
        "sample": "passed",
        "verification of the trail": "noted",
    }
    content = {check.name: check.detail for check in opened.checks}["content"]
    assert content.startswith("8 opened and compared; ")
    assert closed.manifest is not None
    assert (closed.manifest.request.reader, closed.manifest.request.reason) == ("eve", "vector")


def test_pack_without_trust_is_consistent() -> None:
    assert verify_pack(PACK, policy=None).exit_code == 4
