from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.outbox.row_sealer import ClearRowSealer, KeyedRowSealer, NoRowSealer
from telemetry.audit.accept.outbox.sealed_event import SealedEvent
from telemetry.encryption import Context, DataKey
from telemetry.encryption.data_key import DataKeyring
from telemetry.exceptions import EncryptionError, KeyAccessDeniedError, KeyUnreachableError, LifecycleError
from telemetry.format.objects.outbox_row import most_bytes, parse_row
from telemetry.format.value.disclosure import verify_disclosure
from telemetry.format.value.recipients import Wrap
from telemetry.reader import OpenedEvent, Place, RawRecord, RecordOpener
from tests.services.stub_keys import StubKeys

SOURCE = "/p/shop"
PRODUCER = "018f3b1c-0000-7000-8000-000000000001"


class KeysWithRecipients(StubKeys):
    def generate_data_key(self, context: Context) -> DataKey:
        key = super().generate_data_key(context)
        key.recipients = (Wrap(b"\x01wrapped", "recovery-key://00"),)
        return key


@pytest.fixture
def keys() -> StubKeys:
    return StubKeys()


@pytest.fixture
def ring(keys: StubKeys) -> Iterator[DataKeyring]:
    made = ring_of(keys)
    yield made
    made.close()


def ring_of(keys: StubKeys, *, max_uses: int = 1_000) -> DataKeyring:
    return DataKeyring(keys, context={}, max_age=3_600, max_uses=max_uses, max_bytes=1 << 30, grace=0)


def sealer_on(ring: DataKeyring, *, patience: float = 60.0) -> KeyedRowSealer:
    return KeyedRowSealer(ring, source=SOURCE, patience=patience)


def draft(number: int = 0, **fields: Any) -> EventDraft:
    factory = EventFactory(service_name="shop", environment="p", version="1", max_event_bytes=1 << 20)
    return factory.draft("order.paid", {"n": number}, "ada", fields)


def placed(sealed: SealedEvent, sequence: int = 0) -> RawRecord:
    row = parse_row(sealed.data, max_bytes=most_bytes(1 << 20))
    return RawRecord(row.key, row.value(PRODUCER, sequence), Place("topic"))


def test_row_opens_in_the_place_it_gets(keys: StubKeys, ring: DataKeyring) -> None:
    event = draft(7, reason="ticket", actor_id="eve")
    sealed = sealer_on(ring).seal(event, may_block=True)

    entry = RecordOpener(keys).open(placed(sealed, 5))

    assert isinstance(entry, OpenedEvent), entry
    assert (entry.event.producer, entry.event.sequence, entry.event.id) == (PRODUCER, 5, sealed.event_id)
    assert entry.event.features == ("reason", "relayed")
    assert (entry.event.payload, entry.event.reason, entry.event.version) == ({"n": 7}, "ticket", "1")
    assert (sealed.event_id, sealed.key) == (event.id, b"ada:shop")
    assert SealedEvent.of(sealed.data) == sealed
    assert repr(sealed) == f"SealedEvent(event_id='{event.id}')"


def test_first_row_waits_for_its_key(keys: StubKeys, ring: DataKeyring) -> None:
    keys.gate.clear()
    results: list[SealedEvent] = []
    thread = threading.Thread(target=lambda: results.append(sealer_on(ring).seal(draft(), may_block=True)))
    thread.start()
    keys.wait_for_calls(1)
    assert not results
    keys.gate.set()
    thread.join(60)
    assert results


def test_event_loop_is_told_instead_of_blocked(keys: StubKeys, ring: DataKeyring) -> None:
    keys.gate.clear()
    sealer = sealer_on(ring)

    with pytest.raises(KeyUnreachableError, match="key_ready") as caught:
        sealer.seal(draft(), may_block=False)
    keys.gate.set()
    sealer.request_key().result(60)

    assert caught.value.retriable
    assert sealer.seal(draft(), may_block=False).data
    assert keys.calls == 1


def test_key_that_does_not_come_is_an_error(keys: StubKeys, ring: DataKeyring) -> None:
    keys.gate.clear()
    with pytest.raises(EncryptionError, match="data_key_wait_ms"):
        sealer_on(ring, patience=0.01).seal(draft(), may_block=True)
    keys.gate.set()


def test_refused_key_is_the_error_of_its_service(keys: StubKeys, ring: DataKeyring) -> None:
    keys.failure = KeyAccessDeniedError("no right")
    with pytest.raises(KeyAccessDeniedError):
        sealer_on(ring).seal(draft(), may_block=True)


def test_used_up_key_is_replaced(keys: StubKeys) -> None:
    ring = ring_of(keys, max_uses=2)
    sealer = sealer_on(ring)
    rows = [json.loads(sealer.seal(draft(number), may_block=True).data) for number in range(6)]

    uses = [row["value"]["wrappedkey"] for row in rows]
    assert max(uses.count(used) for used in uses) == 2
    assert len({row["value"]["data"].split(".")[2] for row in rows}) == 6
    ring.close()


def test_threads_share_one_key(keys: StubKeys, ring: DataKeyring) -> None:
    sealer, rows = sealer_on(ring), [b""] * 200

    def seal(part: int) -> None:
        for number in range(part, 200, 8):
            rows[number] = sealer.seal(draft(number), may_block=True).data

    threads = [threading.Thread(target=seal, args=(part,)) for part in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    opener = RecordOpener(keys)
    opened = [opener.open(placed(SealedEvent.of(row))) for row in rows]
    assert [entry.event.payload["n"] for entry in opened if isinstance(entry, OpenedEvent)] == list(range(200))


def test_every_row_names_the_recipients() -> None:
    keys = KeysWithRecipients()
    ring = ring_of(keys)
    sealer, opener = sealer_on(ring), RecordOpener(keys)
    for number in range(3):
        record = placed(sealer.seal(draft(number), may_block=True))
        assert b'"recipients":"recovery-key://00 ' in (record.value or b"")
        entry = opener.open(record)
        assert isinstance(entry, OpenedEvent), entry
        assert entry.event.features == ("recipients", "relayed")
    ring.close()


@pytest.mark.parametrize("keys_of", [StubKeys, KeysWithRecipients])
def test_disclosable_row_discloses_in_every_place(keys_of: type[StubKeys]) -> None:
    keys = keys_of()
    ring = ring_of(keys)
    factory = EventFactory(
        service_name="shop", environment="p", version="1", max_event_bytes=1 << 20, features=("disclosable",)
    )
    sealed = sealer_on(ring).seal(factory.draft("order.paid", {"n": 3}, "ada", {}), may_block=True)
    opener = RecordOpener(keys)
    for sequence in (0, 5, 5):
        record = placed(sealed, sequence)
        entry, disclosure = opener.open(record), opener.disclose(record)
        assert isinstance(entry, OpenedEvent), entry
        assert {"disclosable", "relayed"} <= set(entry.event.features)
        assert disclosure is not None
        assert verify_disclosure(record.value or b"", disclosure) == entry.event
        assert entry.event.sequence == sequence
    ring.close()


def test_rows_of_equal_events_share_no_commitment(ring: DataKeyring) -> None:
    factory = EventFactory(
        service_name="shop", environment="p", version="1", max_event_bytes=1 << 20, features=("disclosable",)
    )
    sealer = sealer_on(ring)
    rows = [sealer.seal(factory.draft("order.paid", {}, "ada", {}), may_block=True) for _ in range(50)]

    assert len({json.loads(row.data)["value"]["commitment"] for row in rows}) == 50


def test_closed_keys_seal_no_row(ring: DataKeyring) -> None:
    ring.close()
    with pytest.raises(EncryptionError, match="closed"):
        sealer_on(ring).seal(draft(), may_block=True)


def test_clear_row_opens() -> None:
    sealer = ClearRowSealer(source=SOURCE)
    sealer.request_key().result(0)
    entry = RecordOpener(None).open(placed(sealer.seal(draft(3), may_block=False), 2))
    assert isinstance(entry, OpenedEvent), entry
    assert (entry.event.payload, entry.sealed) == ({"n": 3}, False)


def test_process_that_only_relays_seals_nothing() -> None:
    sealer = NoRowSealer()
    with pytest.raises(LifecycleError, match="relay_only"):
        sealer.seal(draft(), may_block=True)
    with pytest.raises(LifecycleError, match="relay_only"):
        asyncio.run(_awaited(sealer))


async def _awaited(sealer: NoRowSealer) -> None:
    await asyncio.wrap_future(sealer.request_key())
