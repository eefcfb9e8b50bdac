"""Makes ``disclosed.json``: disclosable records of fixed keys, salts and times. Its output must never change.

Run it with ``python -m tests.vectors.make_disclosed > tests/vectors/disclosed.json``. The commitment is computed here by hand, as
docs/format.md describes it, and not by the code under test.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.format.proof.merkle import leaf_hash
from telemetry.format.value import jwe
from telemetry.format.value.recipients import Wrap, recipients_digest, render_recipients
from telemetry.format.value.render import render, render_head, render_tail

_DATA_KEY = bytes(range(64, 96))
_IV = bytes.fromhex("0c0d0e0f1011121314151617")
_KEY_URI, _WRAPPED = "local-key://00", b"\x00wrapped\xff"
_RECIPIENTS = render_recipients([Wrap(b"\x01third\xfd", "recovery-key://02")])
_PRODUCER = "018f3b1c-0000-7000-8000-000000000001"
_TIME = "2026-01-31T12:00:00.123456Z"
_CASES: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("smallest", {"features": ["disclosable"]}, {}),
    (
        "after projected fields and a trace",
        {
            "features": ["disclosable", "hidden-type", "recipients"],
            "recipients": recipients_digest(_RECIPIENTS),
            "user_id": "usuário-日本",
            "session_id": "s-1",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "span_id": "b7ad6b7169203331",
            "trace_flags": 1,
            "clear_fields": ["session_id"],
        },
        {
            "event_type": "telemetry.event",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "clear": {"sessionid": "s-1"},
            "recipients": _RECIPIENTS,
        },
    ),
    ("from an outbox", {"features": ["disclosable", "relayed"]}, {}),
)


def make() -> list[dict[str, Any]]:
    """Return the vectors."""
    return [_vector(name, number, *members) for number, (name, *members) in enumerate(_CASES)]


def _vector(name: str, number: int, members: dict[str, Any], outside: dict[str, Any]) -> dict[str, Any]:
    place = {} if "relayed" in members["features"] else {"producer": _PRODUCER, "sequence": number}
    salt = hashlib.sha256(b"salt %d" % number).digest()
    event = {
        **place,
        "salt": _base64url(salt),
        "id": f"018f3b1c-0000-7000-8000-0000000002{number:02}",
        "time": _TIME,
        "schema_version": 2,
        "features": members["features"],
        "event_type": "order.paid",
        "user_id": "ada",
        "service_name": "shop",
        "environment": "production",
        "payload": {"amount": "9.90", "card": "**** 1111"},
        **members,
    }
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    plaintext = text + b" " * (-len(text) % 3)
    commitment = _base64url(hashlib.sha256(b"telemetry event commitment v1\x00" + plaintext).digest())
    kid = jwe.key_id(_DATA_KEY, key_uri=_KEY_URI, wrapped=_WRAPPED)
    data = jwe.seal(AESGCM(_DATA_KEY), protected=jwe.protected_header(kid), iv=_IV, plaintext=plaintext)
    key = f"{event['user_id']}:shop".encode()
    head = render_head(
        "/production/shop", _PRODUCER, key_uri=_KEY_URI, wrapped_key=_WRAPPED, recipients=outside.get("recipients")
    )
    tail = render_tail(
        event["id"],
        time=_TIME,
        event_type=outside.get("event_type", "order.paid"),
        traceparent=outside.get("traceparent"),
        clear=outside.get("clear"),
        commitment=commitment,
    )
    value = render(head, sequence=number, key=key, tail=tail, data=data, sealed=True)
    return {
        "name": name,
        "data_key": _DATA_KEY.hex(),
        "salt": salt.hex(),
        "plaintext": plaintext.decode(),
        "commitment": commitment,
        "key": key.decode(),
        "value": value.decode(),
        "leaf_hash": leaf_hash(value).hex(),
    }


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(make(), indent=1, ensure_ascii=False) + "\n")
