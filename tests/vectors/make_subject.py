"""Makes ``subject.json``: events whose content is sealed under a key of their subject. Its output must never change.

Run it with ``python -m tests.vectors.make_subject > tests/vectors/subject.json``. Keys, Kafka key and content are computed here by
hand, as docs/format.md describes them, and not by the code under test.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.format.proof.merkle import leaf_hash
from telemetry.format.value import jwe
from telemetry.format.value.recipients import Wrap, recipients_digest, render_recipients
from telemetry.format.value.render import render, render_head, render_tail

_DATA_KEY, _SECRET = bytes(range(64, 96)), bytes(range(96, 128))
_IV, _CONTENT_IV = bytes.fromhex("0c0d0e0f1011121314151617"), bytes.fromhex("1c1d1e1f2021222324252627")
_KEY_URI, _WRAPPED = "local-key://00", b"\x00wrapped\xff"
_RECIPIENTS = render_recipients([Wrap(b"\x01third\xfd", "recovery-key://02")])
_PRODUCER = "018f3b1c-0000-7000-8000-000000000001"
_TIME = "2026-01-31T12:00:00.123456Z"
_TRACE = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331", "trace_flags": 1}
_CASES: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("smallest", {"features": ["subject"]}, {}),
    (
        "every part",
        {
            "features": ["actor-type", "catalog", "disclosable", "hidden-type", "reason", "recipients", "subject"],
            "recipients": recipients_digest(_RECIPIENTS),
            "version": "3",
            "outcome": "denied",
            **_TRACE,
            "clear_fields": ["outcome"],
            "catalog": {"name": "shop", "version": "7", "retention": "7y"},
        },
        {
            "user_id": "usuário-日本",
            "payload": {"amount": "9.90"},
            "session_id": "s-1",
            "actor_type": "user",
            "reason": "TICKET-9",
        },
    ),
    ("from an outbox", {"features": ["relayed", "subject"]}, {}),
)


def make() -> list[dict[str, Any]]:
    """Return the vectors."""
    return [_vector(name, number, *members) for number, (name, *members) in enumerate(_CASES)]


def _vector(name: str, number: int, beside: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    features = beside["features"]
    content = {"user_id": "ada", "payload": {"n": number}, **content}
    source = "/production/shop"
    kafka_secret = _derived("kafka key", source)
    kafka_key = hmac.new(kafka_secret, f"{content['user_id']}:shop".encode(), hashlib.sha256).hexdigest()
    outer = {
        **({} if "relayed" in features else {"producer": _PRODUCER, "sequence": number}),
        **({"salt": _base64url(hashlib.sha256(b"salt %d" % number).digest())} if "disclosable" in features else {}),
        "id": f"018f3b1c-0000-7000-8000-0000000003{number:02}",
        "time": _TIME,
        "schema_version": 2,
        "features": features,
        "event_type": "order.paid",
        "service_name": "shop",
        "environment": "production",
        **beside,
        "kafka_key": kafka_key,
    }
    text, inner = _json(outer)[:-1], _json(content)
    ciphertext = AESGCM(_derived("content", source)).encrypt(_CONTENT_IV, inner, text)
    key_id = _base64url(_derived("key id", source)[:24])
    subject = _json({"key": key_id, "sealed": _base64url(_CONTENT_IV + ciphertext)})
    plaintext = text + b',"subject":' + subject + b"}"
    plaintext += b" " * (-len(plaintext) % 3)
    value = _value(plaintext, outer, number=number, key=kafka_key.encode())
    return {
        "name": name,
        "data_key": _DATA_KEY.hex(),
        "subject_secret": _SECRET.hex(),
        "subject_key_id": key_id,
        "content": inner.decode(),
        "plaintext": plaintext.decode(),
        "key": kafka_key,
        "value": value.decode(),
        "leaf_hash": leaf_hash(value).hex(),
    }


def _value(plaintext: bytes, outer: dict[str, Any], *, number: int, key: bytes) -> bytes:
    recipients = _RECIPIENTS if "recipients" in outer else None
    kid = jwe.key_id(_DATA_KEY, key_uri=_KEY_URI, wrapped=_WRAPPED)
    data = jwe.seal(AESGCM(_DATA_KEY), protected=jwe.protected_header(kid), iv=_IV, plaintext=plaintext)
    commitment = _base64url(hashlib.sha256(b"telemetry event commitment v1\x00" + plaintext).digest())
    head = render_head("/production/shop", _PRODUCER, key_uri=_KEY_URI, wrapped_key=_WRAPPED, recipients=recipients)
    tail = render_tail(
        outer["id"],
        time=_TIME,
        event_type="telemetry.event" if "hidden-type" in outer["features"] else "order.paid",
        traceparent=f"00-{outer['trace_id']}-{outer['span_id']}-01" if "trace_id" in outer else None,
        clear={"outcome": outer["outcome"]} if "outcome" in outer else None,
        commitment=commitment if "salt" in outer else None,
    )
    return render(head, sequence=number, key=key, tail=tail, data=data, sealed=True)


def _derived(purpose: str, source: str) -> bytes:
    """HKDF-SHA-256 (RFC 5869) without a salt, 32 bytes: one block of its second step."""
    info = f"telemetry subject {purpose} v1\0{source}".encode()
    extracted = hmac.new(bytes(32), _SECRET, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


def _json(members: dict[str, Any]) -> bytes:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(make(), indent=1, ensure_ascii=False) + "\n")
