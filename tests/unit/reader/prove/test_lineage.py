"""One event is traced through its records, and a forged record is not mistaken for it."""

from __future__ import annotations

import pytest

from telemetry.exceptions import IncompleteError, TamperedError
from telemetry.format.value.message import BATCH_HEADER, REPLAY_HEADER
from telemetry.reader.entry import Place, Proven, RawRecord
from telemetry.reader.prove.lineage import Lineage, LineageTracer, key_version
from tests.support.written_trail import Process, Signer, altered, topic

OBJECT = "audit-events/2026/01/02/0198c0de-1111-7222-8333-444455556666-0198c0de-0000-7000-8000-000000000001-17-17.jsonl"


def event_id(sequence: int, *, number: int = 1) -> str:
    return f"{Process(number).producer[:-12]}{sequence:012x}"


def trace(records: list[RawRecord], sequence: int, *keys: Signer) -> list[Lineage]:
    tracer = LineageTracer(event_id(sequence), trusted=[key.public for key in keys])
    return tracer.trace(records) if tracer.find(records) else []


def only(records: list[RawRecord], sequence: int, *keys: Signer) -> Lineage:
    (found,) = trace(records, sequence, *keys or (Signer(),))
    return found


def position(records: list[RawRecord], sequence: int) -> int:
    return next(at for at, record in enumerate(records) if f'"sequence":{sequence},'.encode() in (record.value or b""))


def test_lineage_from_call_to_proof() -> None:
    process = Process()
    records = topic(process.run(95), partitions=3)
    at = position(records, 42)
    batch = f"{process.producer}-7".encode()
    records[at] = records[at]._replace(timestamp=1_767_323_046.25, headers=((BATCH_HEADER, batch),))
    found = only(records, 42)
    facts = found.to_dict()
    assert facts["call"]["service_name"] == "payments"
    assert facts["call"]["environment"] == "production"
    assert (facts["call"]["producer"], facts["call"]["sequence"]) == (process.producer, 42)
    assert facts["sealing"]["key_uri"] == process.data_key.key_uri
    assert facts["sealing"]["data_key_id"] in process.data_key.protected.decode() or found.data_key_id
    (delivery,) = facts["deliveries"]
    assert (delivery["partition"], delivery["offset"]) == records[at].place[1:3]
    assert (delivery["batch"], delivery["sender"]) == (7, process.producer)
    assert delivery["timestamp"] == "2026-01-02T03:04:06.250Z"
    assert facts["checkpoint"]["size"] == 50
    assert facts["checkpoint"]["trusted_signers"]
    assert (found.is_proven, found.problem, found.proven) == (True, None, Proven.YES)


def test_replayed_copy_names_its_object() -> None:
    records = topic(Process().run(20))
    at = position(records, 17)
    stored = records[at]._replace(place=Place("audit-events", offset=2, name=OBJECT))
    replayed = records[at]._replace(place=Place("audit-events", 0, 99), headers=((REPLAY_HEADER, OBJECT.encode()),))
    first, second, third = only([*records, replayed, stored], 17).to_dict()["deliveries"]
    assert first["replayed_from"] is None
    assert (second["offset"], second["replayed_from"]) == (99, OBJECT)
    assert (third["fallback_object"], third["line"], third["offset"]) == (OBJECT, 2, None)
    assert second["stored_at"] == third["stored_at"] == "2025-08-19T05:47:15.601Z"


def test_without_public_key_nothing_is_proven() -> None:
    (found,) = trace(topic(Process().run(20)), 12)
    assert found.covering is not None
    assert found.covering.signers == ()
    assert found.covering.claimed == "payments+" + Signer().public.key_id.hex()
    assert (found.is_proven, found.problem, found.proven) == (False, None, Proven.NOT_JUDGED)


def test_trusted_checkpoint_is_preferred_to_forged() -> None:
    process = Process()
    records = process.run(12, end=False)
    forged = process.checkpoint(signer=Signer(66, "stranger"))
    records += [forged, *(process.log() for _ in range(5)), process.checkpoint(final=True)]
    found = only(topic(records), 11)
    assert found.covering is not None
    assert found.covering.checkpoint.size == 17
    assert found.is_proven


def test_event_is_absent() -> None:
    assert trace(topic(Process().run(20)), 99, Signer()) == []


def test_no_checkpoint_covers_the_event_yet() -> None:
    process = Process()
    found = only(topic([*process.run(20, end=False), process.log()]), 20)
    assert found.covering is None
    assert isinstance(found.problem, IncompleteError)


def test_record_altered_in_place_is_unproven() -> None:
    records = topic(Process().run(95))
    at = position(records, 42)
    records[at] = altered(records[at], lambda value: value.replace(b'"type":"payment"', b'"type":"refund"'))
    found = only(records, 42)
    assert isinstance(found.problem, TamperedError)
    assert (found.is_proven, found.proven) == (False, Proven.NO)


def test_forged_record_claims_the_event_id() -> None:
    records = topic(Process().run(95))
    at = position(records, 42)
    twin = altered(records[at], lambda value: value.replace(b'"type":"payment"', b'"type":"refund"'))
    false, true = trace([*records[:at], twin, *records[at:]], 42, Signer())
    assert str(false.problem) == "another record was signed in its place"
    assert true.is_proven


@pytest.mark.parametrize("header", [b"", b"1", b"\xff\xfe", b"../../etc/passwd", OBJECT.encode()[:-3], b"x" * 5_000])
def test_headers_are_not_trusted(header: bytes) -> None:
    records = topic(Process().run(20))
    at = position(records, 12)
    records[at] = records[at]._replace(headers=((BATCH_HEADER, header), (REPLAY_HEADER, header)))
    delivery = only(records, 12).to_dict()["deliveries"][0]
    assert (delivery["batch"], delivery["sender"], delivery["stored_at"]) == (None, None, None)


@pytest.mark.parametrize(
    ("uri", "version"),
    [
        ("aws-kms://arn:aws:kms:eu-west-1:111122223333:key/1234", None),
        ("azure-keyvault://vault.example/audit/0123456789abcdef", "0123456789abcdef"),
        ("gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/3", "3"),
        ("gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k", None),
        ("local-key://00112233", "00112233"),
        ("", None),
        ("nonsense", None),
    ],
)
def test_key_version_from_its_uri(uri: str, version: str | None) -> None:
    assert key_version(uri) == version
