from __future__ import annotations

import pytest

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.outbox.row_reader import RowReader
from telemetry.audit.accept.outbox.row_sealer import ClearRowSealer, KeyedRowSealer
from telemetry.audit.accept.outbox.sealed_event import SealedEvent
from telemetry.encryption.data_key import DataKeyring
from telemetry.exceptions import EventError, EventTooLargeError
from tests.services.stub_keys import StubKeys

PRODUCER = "018f3b1c-0000-7000-8000-000000000001"


def row(*, source: str = "/p/shop", sealed: bool = True, size: int = 0) -> SealedEvent:
    _, environment, service = source.split("/")
    draft = EventFactory(service_name=service, environment=environment, version="", max_event_bytes=1 << 20).draft(
        "order.paid", {"pad": "x" * size}, "ada"
    )
    if not sealed:
        return ClearRowSealer(source=source).seal(draft, may_block=True)
    ring = DataKeyring(StubKeys(), context={}, max_age=60, max_uses=10, max_bytes=1 << 30, grace=0)
    made = KeyedRowSealer(ring, source=source, patience=60).seal(draft, may_block=True)
    ring.close()
    return made


def reader(*, sealed: bool = True, max_event_bytes: int = 1_024) -> RowReader:
    return RowReader(source="/p/shop", sealed=sealed, max_event_bytes=max_event_bytes)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_row_becomes_the_record_of_its_place(kind: type) -> None:
    event = row()

    record = reader().read(kind(event.data)).in_place(PRODUCER, 9)

    assert (record.event_id, record.producer, record.sequence) == (event.event_id, PRODUCER, 9)
    assert (record.key, record.is_relayed) == (event.key, True)
    assert record.size == len(record.key) + len(record.value)
    assert record.jwe_header
    assert b'"producer":"%b"' % PRODUCER.encode() in record.value
    assert b'"sequence":9,' in record.value


@pytest.mark.parametrize("source", ["/p/other", "/q/shop", "/p/shop%2F"])
def test_row_of_another_service_is_refused(source: str) -> None:
    with pytest.raises(EventError, match="another service or environment"):
        reader().read(row(source=source).data)


def test_clear_row_is_refused_where_events_are_sealed() -> None:
    with pytest.raises(EventError, match="in the clear"):
        reader().read(row(sealed=False).data)
    assert reader(sealed=False).read(row(sealed=False).data).id


def test_sealed_row_is_refused_where_events_are_not() -> None:
    with pytest.raises(EventError, match="encryption_enabled"):
        reader(sealed=False).read(row().data)


def test_row_larger_than_any_event_is_refused() -> None:
    with pytest.raises(EventTooLargeError):
        reader().read(row(size=400_000).data)
    assert reader(max_event_bytes=400_000).read(row(size=399_000).data).id


@pytest.mark.parametrize("data", ["text", None, 7, [b""]])
def test_what_is_not_bytes_is_refused(data: object) -> None:
    with pytest.raises(EventError, match="must be bytes"):
        reader().read(data)  # type: ignore[arg-type]
