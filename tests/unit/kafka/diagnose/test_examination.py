"""The largest record that a configuration can produce, which a topic must accept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from telemetry.audit.producer import ProducerTree
from telemetry.audit.send.checkpoints.checkpoint_signer import CheckpointSigner, next_time
from telemetry.config import AuditConfig, SigningConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.format.value.message import source_of
from telemetry.kafka.diagnose.examination import largest_record
from tests.support.accepted_records import PRODUCER, sealed_records

SIGNING = {"key_path": "signing", "passphrase": "correct horse"}


def config(**changes: Any) -> AuditConfig:
    fields = {"kafka_brokers": "127.0.0.1:9", "encryption_enabled": False, "fallback_enabled": False}
    return AuditConfig(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "largest"),
    [
        ({"max_event_bytes": 100_000}, 100_000 + 8_192),
        ({"max_event_bytes": 1_024}, 1_024 + 8_192),
        ({"max_event_bytes": 1_024, "signing_config": SIGNING}, 48 << 10),
        ({"max_event_bytes": 1_024, "signing_config": SIGNING, "checkpoint_format": 1}, 1_024 + 8_192),
        ({"max_event_bytes": 100_000, "signing_config": SIGNING}, 100_000 + 8_192),
    ],
)
def test_larger_of_event_and_checkpoint(changes: dict[str, Any], largest: int) -> None:
    assert largest_record(config(**changes)) == largest


def test_largest_checkpoint_is_within_its_bound(tmp_path: Path) -> None:
    SigningKey.create(tmp_path / "signing", "correct horse", name="n" * 64)
    signing = SigningConfig(key_path=tmp_path / "signing", passphrase=SecretStr("correct horse"))
    signer = CheckpointSigner(signing, source=source_of("e" * 100, "\u00fc" * 100), topic="t" * 249)
    tree = ProducerTree(PRODUCER, hashed=True)
    batch = list(sealed_records(2_047, uses_of_a_key=22))
    first = tree.absorb(batch[:1_023])
    assert first is not None
    tree.note_signed(first, next_time(0))
    state = tree.absorb(batch[1_023:], leaves_from=0)
    assert state is not None
    (part,) = signer.parts(state)

    record = signer.sign(part, at=next_time(0), final=True)

    assert (len(part.keys), len(part.leaves)) == (48, 1_024 * 32)
    assert record.size < largest_record(config(max_event_bytes=1_024, signing_config=SIGNING)) - 1_024
