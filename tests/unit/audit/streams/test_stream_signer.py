"""A gateway signs for a service under the source of the service, and names itself in each such checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.audit.producer import ProducerTree, TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.checkpoints.checkpoint_signer import CheckpointSigner, next_time
from telemetry.audit.streams.stream_signer import StreamSigner
from telemetry.config import SigningConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import TelemetryError
from telemetry.format.proof.checkpoint import Checkpoint, open_checkpoint
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.proof.leaves import MAX_LEAVES
from telemetry.format.proof.signed_note import PublicKey
from tests.support.accepted_records import PRODUCER, sealed_records

GATEWAY = "/production/gateway"
PAYMENTS = "/production/payments"
AT = 1_700_000_000_000_000


class Site:
    """A gateway's signing key, and the signers that use it."""

    def __init__(self, folder: Path) -> None:
        SigningKey.create(folder / "signing", "correct horse", name="gateway")
        self._config = SigningConfig(key_path=folder / "signing", passphrase=SecretStr("correct horse"))
        self.of_process = self.signer(topic="audit-events")
        self.public_key = PublicKey.parse(self.of_process.key.public_key)

    def signer(self, *, topic: str | None) -> CheckpointSigner:
        return CheckpointSigner(self._config, source=GATEWAY, topic=topic)

    def verified(self, record: SealedRecord) -> Checkpoint:
        """Return a checkpoint whose signature the gateway's key confirms."""
        return open_checkpoint(note_of(record), [self.public_key])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def note_of(record: SealedRecord) -> str:
    message = decode_checkpoint_message(record.value)
    assert message is not None
    return message.data


def left(count: int) -> TreeState:
    """Return the tree of a stream of which nothing is signed yet."""
    tree = ProducerTree(PRODUCER, hashed=True)
    tree.absorb(list(sealed_records(count, uses_of_a_key=1 << 20)))
    state = tree.unsigned()
    assert state is not None
    return state


@pytest.mark.parametrize("final", [False, True])
def test_gateway_names_itself_in_each_checkpoint(site: Site, *, final: bool) -> None:
    signer = StreamSigner(site.of_process, source=PAYMENTS)

    record = signer.sign(left(3), at=AT, final=final)

    checkpoint = site.verified(record)
    assert (checkpoint.source, checkpoint.via, checkpoint.producer) == (PAYMENTS, GATEWAY, PRODUCER)
    assert (checkpoint.size, checkpoint.final, checkpoint.recovered) == (3, final, False)
    assert checkpoint.time == "2023-11-14T22:13:20.000000Z"
    assert (record.producer, record.sequence, record.key) == (PRODUCER, None, PRODUCER.encode())


@pytest.mark.parametrize("forged", ["", "via /production/edge\n", f"via {PAYMENTS}\n"])
def test_name_of_the_gateway_is_signed(site: Site, forged: str) -> None:
    note = note_of(StreamSigner(site.of_process, source=PAYMENTS).sign(left(3), at=AT))
    line = f"via {GATEWAY}\n"
    assert line in note

    with pytest.raises(TelemetryError):
        open_checkpoint(note.replace(line, forged), [site.public_key])


def test_source_of_the_service_is_signed(site: Site) -> None:
    note = note_of(StreamSigner(site.of_process, source=PAYMENTS).sign(left(3), at=AT))

    with pytest.raises(TelemetryError):
        open_checkpoint(note.replace(PAYMENTS, "/production/orders"), [site.public_key])


def test_own_stream_has_no_gateway(site: Site) -> None:
    record = StreamSigner(site.of_process, source=GATEWAY).sign(left(3), at=AT)

    checkpoint = site.verified(record)
    assert (checkpoint.source, checkpoint.via) == (GATEWAY, None)


def test_signers_of_one_key_keep_their_sources(site: Site) -> None:
    sources = [f"/production/service-{number}" for number in range(3)]
    signers = [StreamSigner(site.of_process, source=source) for source in sources]

    signed = [site.verified(signer.sign(left(1), at=AT)) for signer in (*signers, *signers)]

    assert [checkpoint.source for checkpoint in signed] == [*sources, *sources]
    assert {checkpoint.via for checkpoint in signed} == {GATEWAY}
    assert site.verified(site.of_process.sign(left(1), at=AT)).via is None


def test_many_events_are_signed_in_parts(site: Site) -> None:
    signer = StreamSigner(site.of_process, source=PAYMENTS)
    assert signer.most_events == MAX_LEAVES

    signed = [site.verified(signer.sign(part, at=AT)) for part in signer.parts(left(MAX_LEAVES + 7))]

    assert [(each.interval, each.size, each.via) for each in signed] == [
        (0, MAX_LEAVES, GATEWAY),
        (MAX_LEAVES, MAX_LEAVES + 7, GATEWAY),
    ]


def test_recovered_checkpoint_names_the_gateway(site: Site) -> None:
    """A replica that adopts the segment signs it, without a stream of its own for the service."""
    records = site.of_process.sign_recovered(left(MAX_LEAVES + 7), source=PAYMENTS)

    signed = [site.verified(record) for record in records]
    assert [(each.source, each.via, each.recovered) for each in signed] == [
        (PAYMENTS, GATEWAY, False),
        (PAYMENTS, GATEWAY, True),
    ]


def test_recovered_checkpoint_of_an_old_copy_too(site: Site) -> None:
    (record,) = site.of_process.sign_recovered(left(5), source=PAYMENTS, old_copy=2)

    checkpoint = site.verified(record)
    assert (checkpoint.via, checkpoint.recovered, checkpoint.old_copy) == (GATEWAY, True, 2)


def test_first_version_names_no_gateway(site: Site) -> None:
    signer = StreamSigner(site.signer(topic=None), source=PAYMENTS)
    state = left(MAX_LEAVES + 7)
    assert list(signer.parts(state)) == [state]
    assert signer.most_events > MAX_LEAVES

    checkpoint = site.verified(signer.sign(state, at=next_time(0)))

    assert (checkpoint.source, checkpoint.via, checkpoint.topic) == (PAYMENTS, None, None)
