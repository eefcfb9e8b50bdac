"""D may write to the outbox table, W and B move what a relay has sent: no event is invented, hidden or moved unnoticed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.exceptions import EventError
from telemetry.format import canonical_base64
from telemetry.format.objects.outbox_row import head_without_place, parse_row, render_row
from telemetry.format.value import jwe
from telemetry.format.value.message import context_of
from telemetry.format.value.render import key_hash, render_tail
from telemetry.reader import RawRecord
from telemetry.sync import Telemetry
from tests.attacks.site import Site
from tests.support.in_process import Ended

FORGED = "018f3b1c-0000-7000-8000-00000000000a"
PLACE = re.compile(rb'("producer":")([0-9a-f-]{36})(".*?"sequence":)([0-9]+)', re.DOTALL)


def rows_of(site: Site, count: int, **config: Any) -> list[bytes]:
    with Telemetry(site.config(**config)) as telemetry:
        return [telemetry.audit.seal("order.paid", {"n": number}, "ada").data for number in range(count)]


def relay(site: Site, rows: Sequence[bytes]) -> list[EventError]:
    """Relay rows without a right to any key; return the errors of those that are refused."""
    refused = []
    with Telemetry(site.config(relay_only=True, encryption_config=None)) as telemetry:
        for row in rows:
            try:
                telemetry.audit.relay(row)
            except EventError as exc:
                refused.append(exc)
    return refused


def placed(record: RawRecord, producer: bytes, sequence: int) -> RawRecord:
    """Return the record with another place; nothing inside its seal contradicts it."""
    value = PLACE.sub(rb"\g<1>%b\g<3>%d" % (producer, sequence), record.value or b"", count=1)
    return record._replace(value=value)


def place_of(record: RawRecord) -> tuple[bytes, int]:
    match = PLACE.search(record.value or b"")
    assert match is not None
    return match[2], int(match[4])


def events_of(records: Sequence[RawRecord]) -> list[RawRecord]:
    return [record for record in records if b'"type":"order.paid"' in (record.value or b"")]


def tail(site: Site, *options: str) -> tuple[Ended, list[dict[str, Any]]]:
    ended = site.run("tail", "--json", "--public-key", site.keys.public_key, *options)
    return ended, [json.loads(line) for line in ended.out.splitlines()]


def numbers(events: Sequence[dict[str, Any]], proven: str) -> list[int]:
    return [event["payload"]["n"] for event in events if event["proven"] == proven]


def test_planted_rows_get_no_place(site: Site) -> None:
    (genuine,) = rows_of(site, 1)
    clear = rows_of(site, 1, encryption_enabled=False)[0]
    other = rows_of(site, 1, service="other")[0]
    own_type = genuine.replace(b'"type":"order.paid"', b'"type":"telemetry.stopped"')
    other_user = genuine.replace(b'"key":"ada:payments"', b'"key":"eve:payments"')

    refused = relay(site, [clear, other, own_type, other_user, b'{"format":"telemetry-outbox"}', genuine[:-2], genuine])

    assert len(refused) == 6
    assert numbers(tail(site)[1], "yes") == [0]
    assert site.verify().code == 0


def test_altered_row_is_named_by_readers(site: Site) -> None:
    genuine, victim = rows_of(site, 2)
    at = victim.rindex(b".") - 4
    altered = victim[:at] + (b"A" if victim[at : at + 1] != b"A" else b"B") + victim[at + 1 :]
    moved = victim.replace(b'"time":"20', b'"time":"19', 1)

    refused = relay(site, [genuine, altered, moved])

    ended, events = tail(site)
    assert refused == []
    assert numbers(events, "yes") == [0]
    assert ended.code == 3
    assert ended.err.count("altered") + ended.err.count("differs from the sealed event") >= 2


def test_two_events_that_swap_places_are_found(site: Site) -> None:
    relay(site, rows_of(site, 5))
    records = site.records()
    first, second = events_of(records)[1:3]
    swapped = {id(first): placed(first, *place_of(second)), id(second): placed(second, *place_of(first))}

    with site.rewritten([swapped.get(id(record), record) for record in records]) as other:
        verified = other.verify()
        _, events = tail(other, "--foreign")

    assert (verified.code, verified.verdict) == (3, "tampered"), verified
    assert numbers(events, "yes") == [0, 3, 4]


@pytest.mark.parametrize("place", ["next", "other"])
def test_copy_in_another_place_hides_nothing(site: Site, place: str) -> None:
    rows = rows_of(site, 3)
    relay(site, rows[:2])
    relay(site, rows[2:])
    first, _, last = events_of(site.records())
    target = (place_of(first)[0], 2) if place == "next" else (place_of(last)[0], 1)
    site.put([placed(first, *target)])

    ended, events = tail(site)
    verified = site.verify()

    assert numbers(events, "yes") == [0, 1, 2]
    assert numbers(events, "no") == []
    assert verified.report["foreign"] or verified.code in (3, 4), verified
    assert "Traceback" not in ended.err


def test_second_relay_is_no_alarm_before_its_checkpoint(site: Site) -> None:
    rows = rows_of(site, 4)
    relay(site, rows[:2])
    before = len(site.records())
    relay(site, rows[2:])
    records = site.records()

    # What a reader sees of the second relay in its first seconds: its events, and nothing that is signed.
    with site.rewritten([*records[:before], *events_of(records[before:])]) as other:
        ended, events = tail(other)

    assert ended.code == 0, ended.err
    assert (numbers(events, "yes"), numbers(events, "pending")) == ([0, 1], [2, 3])


def test_reader_who_seals_with_the_key_of_a_row_proves_nothing(site: Site) -> None:
    """R may unwrap, so it has the data key of the rows, and seals an event of its own for any place."""
    rows = rows_of(site, 2)
    relay(site, rows)
    genuine = events_of(site.records())[1]
    member = json.loads(rows[0])["value"]
    wrapped = canonical_base64.decode(member["wrappedkey"]) or b""
    plain = site.keys.provider.unwrap(wrapped, member["keyid"], context_of(member["source"]))
    protected = jwe.protected_header(jwe.key_id(plain, key_uri=member["keyid"], wrapped=wrapped))
    inside = {"id": FORGED, "time": member["time"], "schema_version": 2, "features": ["relayed"]}
    inside |= {"event_type": "order.paid", "user_id": "eve", "service_name": "payments", "environment": "production"}
    data = jwe.seal(
        AESGCM(plain),
        protected=protected,
        iv=bytes(12),
        plaintext=json.dumps({**inside, "payload": {"n": 99}}).encode(),
    )
    forged = render_row(
        b"eve:payments",
        head=head_without_place(member["source"], key_uri=member["keyid"], wrapped_key=wrapped),
        hashed=key_hash(b"eve:payments"),
        tail=render_tail(FORGED, time=member["time"], event_type="order.paid"),
        data=data,
        sealed=True,
    )
    row = parse_row(forged, max_bytes=len(forged))
    producer = place_of(genuine)[0].decode()
    places = [(producer, 1), (producer, 2), ("0198c0de-0000-7000-8000-000000000009", 0)]
    site.put([genuine._replace(key=row.key, value=row.value(*place)) for place in places])

    _, events = tail(site, "--foreign")

    assert numbers(events, "yes") == [0, 1]
    assert {event["proven"] for event in events if event["payload"]["n"] == 99} <= {"no", "pending"}
