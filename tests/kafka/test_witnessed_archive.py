"""A real topic is archived and watched by a witness; an auditor verifies from a copy of the bucket, and misses a cut end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from telemetry.encryption.signing_key import SigningKey
from telemetry.format.archive.seal_note import seal_name
from tests.services.kafka import KafkaBroker
from tests.support.archive_site import PASSPHRASE, ArchiveSite
from tests.support.in_process import Ended, run
from tests.support.written_trail import Process, Signer

pytestmark = pytest.mark.services


def test_copy_of_the_bucket_is_verified_offline(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    site = ArchiveSite(kafka, topic, tmp_path)
    for number in (1, 2):
        # Their checkpoints name no topic; the one of this test has a name of its own.
        site.produce(Process(number).run(200))
        site.run("--once")
    witness = _witness(site)
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "archive", copy)

    whole = _verify(site, copy, *witness)
    assert whole.code == 0, whole.out.decode()[:3000]
    report = json.loads(whole.out)
    assert report["proven"] == 400
    assert any("saw the seal 1 of this archive" in note for note in report["archive"]["notes"])

    (copy / seal_name(1)).unlink()
    assert _verify(site, copy).code == 0, "the copy alone does not show it"
    cut = _verify(site, copy, *witness)
    assert cut.code == 4
    assert "the end of the archive was cut off" in cut.out.decode()


def _witness(site: ArchiveSite) -> tuple[str, ...]:
    key = SigningKey.create(site.folder / "witness.key", PASSPHRASE, name="witness")
    config = site.folder / "witness.toml"
    config.write_text(
        f'[audit_config]\nkafka_brokers = "{site.audit.kafka_brokers}"\nkafka_topic = "{site.topic}"\n'
        'security_protocol = "PLAINTEXT"\n'
        f'[audit_config.signing_config]\nkey_path = "{site.folder / "witness.key"}"\npassphrase = "{PASSPHRASE}"\n'
    )
    config.chmod(0o600)
    rosters = site.folder / "rosters"
    place = "--roster", rosters.as_uri()
    keys = "--public-key", Signer().public_key, "--public-key", str(site.public_key)
    done = run("witness", "-c", str(config), "--once", "--archive", str(site.folder / "archive"), *keys, *place)
    assert done.code == 0, done.err
    assert "2 new seals" in " ".join(done.err.split())
    return "--require-witness", key.public_key, *place


def _verify(site: ArchiveSite, folder: Path, *options: str) -> Ended:
    keys = "--public-key", Signer().public_key, "--public-key", str(site.public_key)
    return run("verify", "--from", "archive", "--archive", str(folder), *keys, *options, "--json", environment={})
