from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from telemetry.reader import RawRecord
from tests.attacks.forge import TOPIC, Writer, produce, trust_file
from tests.attacks.site import Site
from tests.services.kafka import KafkaBroker
from tests.support.in_process import run
from tests.support.written_trail import Signer

NEW = Signer(1, "payments-2026")
OLD = Signer(4, "payments-2024")
KEYS: tuple[dict[str, Any], ...] = (
    {"public": NEW.public_key, "roles": ["service"], "sources": ["/production/payments"]},
    {
        "public": OLD.public_key,
        "roles": ["service"],
        "sources": ["/production/payments"],
        "not_before": "2023-12-01T00:00:00Z",
        "not_after": "2024-12-31T00:00:00Z",
    },
)
REVOKED = {**KEYS[0], "revoked_from": "2026-02-01T00:00:00Z"}


def test_key_that_was_rotated_out_signs_today(site: Site) -> None:
    honest, forged = Writer(1, signer=NEW), Writer(2, signer=OLD)
    site.put([*honest.run(3), *forged.run(3)])

    verified = site.verify(*trust_file(site.folder / "trust.toml", *KEYS))

    assert verified.proven(honest.producer) == 3
    assert verified.proven(forged.producer) == 0
    assert not verified.of(forged.producer).get("keys")


def backdated(topic: str = TOPIC) -> list[RawRecord]:
    """Return what a thief signs today, dated before the key was revoked."""
    forged = Writer(1, signer=NEW, topic=topic)
    events = [forged.event(time="2026-01-15T00:00:00.000000Z") for _ in range(3)]
    return [*events, forged.checkpoint(final=True, time="2026-01-15T00:00:01.000000Z")]


@pytest.mark.services
def test_revoked_key_signs_under_an_earlier_date(kafka: KafkaBroker, tmp_path: Path) -> None:
    """The broker stamps each record with the time at which it appended it, which the thief cannot choose."""
    topic = f"audit-{uuid4().hex}"
    kafka.create_topic(topic, partitions=1, config={"message.timestamp.type": "LogAppendTime"})
    produce(kafka.bootstrap(), backdated(topic), topic=topic)

    ended = run(
        *("verify", "--json", "--brokers", kafka.bootstrap(), "--security-protocol", "PLAINTEXT", "--topic", topic),
        *trust_file(tmp_path / "trust.toml", REVOKED),
    )

    assert ended.code in (3, 4)
    report = json.loads(ended.out)
    assert report["verdict"] not in ("complete", "foreign")
    assert report["proven"] == 0


def test_revoked_key_is_believed_with_a_warning_at_most(site: Site) -> None:
    """Here nothing but the signer says when it signed, which must be printed with whatever verdict there is."""
    site.put(backdated())
    trust = trust_file(site.folder / "trust.toml", REVOKED)

    ended = site.run("verify", *trust)

    assert ended.code in (0, 3, 4)
    assert "self-asserted" in ended.out.decode() + ended.err or ended.code != 0
    assert "self-asserted" in str(site.verify(*trust).report) or ended.code != 0
