"""The full decoder: each of its steps refuses what the steps before it accept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.exceptions import MalformedRecordError, NewerReaderNeededError, TamperedError
from telemetry.format.value import jwe
from telemetry.format.value.commitment import commitment_of
from telemetry.format.value.event import AuditEvent, decode_event
from telemetry.format.value.message import parse
from telemetry.format.value.open_record import open_clear_record, open_record, require_unaltered
from telemetry.format.value.render import render, render_head, render_tail

DATA_KEY = bytes(range(32))
URI, WRAPPED = "stub://kek", b"wrapped"
KID = jwe.key_id(DATA_KEY, key_uri=URI, wrapped=WRAPPED)
KEY = b"ada:shop"
EVENT = {
    "producer": "0198c0de-0000-7000-8000-00000000000a",
    "sequence": 7,
    "id": "0198c0de-1111-7222-8333-444455556666",
    "time": "2026-01-31T12:00:00.000000Z",
    "schema_version": 1,
    "event_type": "user_login",
    "user_id": "ada",
    "service_name": "shop",
    "environment": "production",
    "payload": {"ip": "192.0.2.1"},
    "session_id": "s-1",
    "clear_fields": ["session_id"],
}


def value_of(event: dict[str, Any] = EVENT, *, kid: str = KID, encrypted: bool = True) -> bytes:
    """Return the value in whose cleartext part is ``EVENT``, and in whose data is ``event``."""
    plaintext = json.dumps(event, separators=(",", ":")).encode()
    header = jwe.protected_header(kid)
    sealed = jwe.seal(AESGCM(DATA_KEY), protected=header, iv=bytes(12), plaintext=plaintext)
    data = sealed if encrypted else plaintext
    uri, wrapped = (URI, WRAPPED) if encrypted else (None, None)
    head = render_head("/production/shop", str(EVENT["producer"]), key_uri=uri, wrapped_key=wrapped)
    tail = render_tail(str(EVENT["id"]), time=str(EVENT["time"]), event_type="user_login", clear={"sessionid": "s-1"})
    return render(head, sequence=7, key=KEY, tail=tail, data=data, sealed=encrypted)


def opened(value: bytes, *, key: bytes | None = KEY, data_key: bytes = DATA_KEY, kid: str = KID) -> AuditEvent:
    return open_record(value, key=key, message=parse(value), cipher=AESGCM(data_key), kid=kid)


def test_genuine_record_opens() -> None:
    assert opened(value_of()).payload == {"ip": "192.0.2.1"}


class TestSteps:
    def test_1_data_that_is_no_jwe(self) -> None:
        value = value_of().replace(b"..", b".", 1)

        with pytest.raises(MalformedRecordError, match="not a JWE"):
            opened(value)

    def test_2_commitment_to_another_data_key(self) -> None:
        other = jwe.key_id(bytes(32), key_uri=URI, wrapped=WRAPPED)

        with pytest.raises(TamperedError, match="kid differs"):
            opened(value_of(kid=other))

    def test_3_tag_of_another_data_key(self) -> None:
        with pytest.raises(TamperedError, match="GCM tag"):
            opened(value_of(), data_key=bytes(32))

    def test_4_plaintext_that_is_no_event(self) -> None:
        with pytest.raises(MalformedRecordError, match="schema version"):
            opened(value_of({**EVENT, "schema_version": 2}))

    def test_4_event_of_a_later_version_is_not_tampered(self) -> None:
        with pytest.raises(NewerReaderNeededError, match="newer reader") as caught:
            opened(value_of({**EVENT, "schema_version": 2, "features": ["brand-new"]}))

        assert not isinstance(caught.value, TamperedError)

    def test_5_cleartext_that_the_event_contradicts(self) -> None:
        with pytest.raises(TamperedError, match="'type'"):
            opened(value_of({**EVENT, "event_type": "user_logout"}))


class TestRequireUnaltered:
    """The check that no clear attribute was altered."""

    @pytest.mark.parametrize(
        ("name", "there", "instead"),
        [
            ("source", b'"/production/shop"', b'"/production/bank"'),
            ("producer", b"-00000000000a", b"-00000000000b"),
            ("sequence", b'"sequence":7', b'"sequence":8'),
            ("keyhash", b'"keyhash":"', b'"keyhash":"A'),
            ("id", b"-444455556666", b"-444455556667"),
            ("time", b"12:00:00", b"12:00:01"),
            ("type", b'"type":"user_login"', b'"type":"user_logout"'),
            ("sessionid", b'"s-1"', b'"s-2"'),
            ("traceparent", b',"data"', b',"traceparent":"00-1-2-00","data"'),
            ("useragent", b',"data"', b',"useragent":"curl","data"'),
        ],
    )
    def test_altered_attribute_is_named(self, name: str, there: bytes, instead: bytes) -> None:
        value = value_of().replace(there, instead, 1)

        with pytest.raises(TamperedError, match=f"'{name}'"):
            self.check(value)

    @pytest.mark.parametrize("key", [None, b"", b"mallory:shop", KEY + b" "])
    def test_altered_kafka_key(self, key: bytes | None) -> None:
        with pytest.raises(TamperedError, match="Kafka key"):
            self.check(value_of(), key=key)

    @pytest.mark.parametrize(
        "value",
        [b" " + value_of(), value_of() + b"\n", value_of().replace(b"user_login", b"user\\u005flogin")],
        ids=["space before", "newline after", "escape"],
    )
    def test_same_attributes_in_another_form(self, value: bytes) -> None:
        with pytest.raises(TamperedError, match="form"):
            self.check(value)

    def test_event_in_the_clear_is_compared(self) -> None:
        value = value_of(encrypted=False)
        assert open_clear_record(value, key=KEY, message=parse(value)).sequence == 7

        altered = value.replace(b'"sequence":7,"keyhash"', b'"sequence":8,"keyhash"')
        with pytest.raises(TamperedError, match="'sequence'"):
            open_clear_record(altered, key=KEY, message=parse(altered))

    @pytest.mark.parametrize(
        ("features", "commitment", "said"),
        [
            (["disclosable"], None, "'commitment'"),
            (["disclosable"], "A" * 43, "'commitment'"),
            ([], "A" * 43, "'commitment'"),
            (["hidden-type"], "A" * 43, "'commitment'"),
        ],
        ids=["removed", "of other content", "without features", "of another feature"],
    )
    def test_commitment_and_feature_must_agree(self, features: list[str], commitment: str | None, said: str) -> None:
        version = {"schema_version": 2, "features": features} if features else {}
        value = value_of({**EVENT, **version, "salt": "A" * 43})
        if commitment is not None:
            value = value.replace(b',"data":', b',"commitment":"%b","data":' % commitment.encode(), 1)

        with pytest.raises(TamperedError, match=said):
            opened(value)

    def test_event_in_the_clear_with_a_commitment(self) -> None:
        event = {**EVENT, "schema_version": 2, "features": ["disclosable"], "salt": "A" * 43}
        plaintext = json.dumps(event, separators=(",", ":")).encode()
        value = value_of(event, encrypted=False)
        with pytest.raises(TamperedError, match="'commitment'"):
            open_clear_record(value, key=KEY, message=parse(value))

        committed = value.replace(b',"data":', b',"commitment":"%b","data":' % commitment_of(plaintext).encode(), 1)
        with pytest.raises(MalformedRecordError, match="in the clear"):
            parse(committed)

    @staticmethod
    def check(value: bytes, *, key: bytes | None = KEY) -> None:
        event = decode_event(json.dumps(EVENT).encode())
        require_unaltered(value, key=key, message=parse(value), event=event, plaintext=b"")
