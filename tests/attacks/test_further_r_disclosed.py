"""R says that an event had another content than was logged: by a disclosure of its own, and by a record that fits it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from telemetry.exceptions import TamperedError
from telemetry.format import canonical_base64
from telemetry.format.proof.inclusion import verify_proof
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.value import jwe
from telemetry.format.value.commitment import commitment_of
from telemetry.format.value.disclosure import Disclosure, verify_disclosure
from telemetry.reader import RawRecord, RecordOpener
from tests.attacks.forge import SealingKey
from tests.attacks.site import Site
from tests.services.sealed_records import attributes_of


def logged(site: Site) -> tuple[RawRecord, Disclosure]:
    """Return a disclosable record of the service, and its disclosure as R makes it."""
    site.log(["payment"], disclosable=True)
    (record,) = [record for record in site.records() if b'"type":"payment"' in (record.value or b"")]
    disclosure = RecordOpener(site.keys.provider).disclose(record)
    assert disclosure is not None
    return record, disclosure


def claimed(disclosure: Disclosure) -> Disclosure:
    """Return what R says instead, which fits the clear attributes as well."""
    text = disclosure.plaintext.rstrip(b" ").replace(b'"amount":0', b'"amount":9000')
    return Disclosure(jwe.filled(text))


def forged(site: Site, record: RawRecord, claim: Disclosure) -> RawRecord:
    """Return a record in the place of another one that seals what R says, and commits to it."""
    key = SealingKey(site.keys.provider, "/production/payments")
    data = jwe.seal(key.cipher, protected=key.protected, iv=bytes(12), plaintext=claim.plaintext)
    changes = {
        "keyid": key.key_uri,
        "wrappedkey": canonical_base64.encode(key.wrapped),
        "commitment": commitment_of(claim.plaintext),
        "data": data.decode(),
    }
    value = json.dumps({**attributes_of(record), **changes}, separators=(",", ":"), ensure_ascii=False)
    return record._replace(value=value.encode())


def test_content_that_was_not_logged_is_refused(site: Site) -> None:
    record, disclosure = logged(site)

    assert verify_disclosure(record.value or b"", disclosure).payload == {"amount": 0}
    with pytest.raises(TamperedError, match="is not what was logged"):
        verify_disclosure(record.value or b"", claimed(disclosure))


def test_record_that_fits_a_claim_is_not_proven(site: Site, tmp_path: Path) -> None:
    record, disclosure = logged(site)
    claim = claimed(disclosure)
    rival = forged(site, record, claim)
    site.put([rival])
    assert verify_disclosure(rival.value or b"", claim).payload == {"amount": 9000}, "alone, it proves nothing"

    event_id = attributes_of(record)["id"]
    proof = tmp_path / "proof.json"
    proved = site.run("prove", event_id, "--public-key", site.keys.public_key, "--out", str(proof))
    assert proved.code == 0, proved.err

    proven = verify_proof(proof.read_bytes(), [PublicKey.parse(site.keys.public_key)])
    assert proven.value == record.value
    with pytest.raises(TamperedError, match="is not what was logged"):
        verify_disclosure(proven.value, claim)


def test_commitment_taken_off_the_topic_is_damage(site: Site) -> None:
    record, _ = logged(site)
    attributes = attributes_of(record)
    del attributes["commitment"]
    stripped = json.dumps(attributes, separators=(",", ":"), ensure_ascii=False).encode()
    with site.rewritten([record._replace(value=stripped)]) as other:
        ended = other.run("tail", "--json")

    assert ended.out == b""
    assert "the attribute 'commitment'" in ended.err
    assert ended.code == 3
