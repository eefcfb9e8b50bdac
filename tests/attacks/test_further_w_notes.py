"""W moves a note that a trusted key has signed for another purpose into a checkpoint's record."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from telemetry.format.proof.acknowledgement import Acknowledgement, sign_acknowledgement
from telemetry.format.proof.checkpoint_message import CHECKPOINT_CONTENT_TYPE, CHECKPOINT_TYPE, CheckpointMessage
from telemetry.reader import Place, RawRecord
from tests.attacks.forge import TOPIC, Writer, trust_file
from tests.attacks.site import Site
from tests.support.written_trail import Signer

AUDITOR = Signer(3, "auditor")


def relabelled(note: str, producer: str) -> RawRecord:
    """Return a checkpoint's record with any signed note in it."""
    message = CheckpointMessage(
        specversion="1.0",
        source="/production/payments",
        datacontenttype=CHECKPOINT_CONTENT_TYPE,
        producer=producer,
        id=producer,
        time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        type=CHECKPOINT_TYPE,
        data=note,
    )
    return RawRecord(producer.encode(), msgspec.json.encode(message), Place(TOPIC))


def test_acknowledgement_relabelled_as_a_checkpoint_raises_no_alarm(site: Site) -> None:
    """Acknowledgements are filed and sent around; the auditor's key has signed nothing but what it may sign."""
    payments = Writer(signer=site.keys.signing)
    trust = trust_file(
        site.folder / "trust.toml",
        {"public": site.keys.public_key, "roles": ["service"], "sources": ["/production/payments"]},
        {"public": AUDITOR.public_key, "roles": ["auditor"]},
    )
    acknowledgement = Acknowledgement(
        author="the auditor",
        time="2026-01-01T00:00:00Z",
        expires="2099-01-01T00:00:00Z",
        reason="a lost disk",
        findings=("0" * 32,),
    )
    note = sign_acknowledgement(acknowledgement, AUDITOR)
    site.put([*payments.run(3), relabelled(note, payments.producer)])

    verified = site.verify(*trust)

    assert verified.code == 0
    assert verified.of(payments.producer)["verdict"] == "complete"
    assert verified.report["foreign"]["counts"] == {"checkpoint": 1}
