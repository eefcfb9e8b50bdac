"""Makes ``outbox_row.json``: rows of fixed keys, times and initialization vectors. Its output must never change.

Run it with ``python -m tests.vectors.make_outbox_row > tests/vectors/outbox_row.json``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.format.objects.outbox_row import head_without_place, parse_row, render_row
from telemetry.format.proof.merkle import leaf_hash
from telemetry.format.value import jwe
from telemetry.format.value.recipients import Wrap, recipients_digest, render_recipients
from telemetry.format.value.render import key_hash, render_tail

_DATA_KEY = bytes(range(32, 64))
_IV = bytes.fromhex("0b0a09080706050403020100")
_KEY_URI, _WRAPPED = "local-key://00", b"\x00wrapped\xff"
_RECIPIENTS = render_recipients([Wrap(b"\x01third\xfd", "recovery-key://02")])
_PRODUCER = "018f3b1c-0000-7000-8000-000000000001"
_TIME = "2026-01-31T12:00:00.123456Z"
_CASES: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("smallest", {"features": ["relayed"]}, {}),
    (
        "with recipients, a hidden type and a projected field",
        {
            "features": ["hidden-type", "recipients", "relayed"],
            "recipients": recipients_digest(_RECIPIENTS),
            "user_id": "usuário-日本",
            "session_id": "s-1",
            "clear_fields": ["session_id"],
        },
        {"event_type": "telemetry.event", "clear": {"sessionid": "s-1"}, "recipients": _RECIPIENTS},
    ),
    ("in the clear", {"features": ["relayed"]}, {"sealed": False}),
)


def make() -> list[dict[str, Any]]:
    """Return the vectors."""
    return [_vector(name, number, *members) for number, (name, *members) in enumerate(_CASES)]


def _vector(name: str, number: int, members: dict[str, Any], outside: dict[str, Any]) -> dict[str, Any]:
    event = {
        "id": f"018f3b1c-0000-7000-8000-0000000001{number:02}",
        "time": _TIME,
        "schema_version": 2,
        "event_type": "order.paid",
        "user_id": "ada",
        "service_name": "shop",
        "environment": "production",
        "payload": {"amount": "9.90"},
        **members,
    }
    sealed, plaintext = (
        outside.get("sealed", True),
        json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(),
    )
    kid = jwe.key_id(_DATA_KEY, key_uri=_KEY_URI, wrapped=_WRAPPED)
    data = plaintext
    if sealed:
        data = jwe.seal(AESGCM(_DATA_KEY), protected=jwe.protected_header(kid), iv=_IV, plaintext=plaintext)
    key = f"{event['user_id']}:shop".encode()
    row = render_row(
        key,
        head=head_without_place(
            "/production/shop",
            key_uri=_KEY_URI if sealed else None,
            wrapped_key=_WRAPPED if sealed else None,
            recipients=outside.get("recipients"),
        ),
        hashed=key_hash(key),
        tail=render_tail(
            event["id"], time=_TIME, event_type=outside.get("event_type", "order.paid"), clear=outside.get("clear")
        ),
        data=data,
        sealed=sealed,
    )
    value = parse_row(row, max_bytes=len(row)).value(_PRODUCER, number)
    return {
        "name": name,
        "data_key": _DATA_KEY.hex() if sealed else None,
        "plaintext": plaintext.decode(),
        "row": row.decode(),
        "producer": _PRODUCER,
        "sequence": number,
        "value": value.decode(),
        "leaf_hash": leaf_hash(value).hex(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(make(), indent=1, ensure_ascii=False) + "\n")
