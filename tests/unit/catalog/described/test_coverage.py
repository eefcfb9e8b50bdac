from __future__ import annotations

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.encryptor import ClearEncoder
from telemetry.catalog import AuditCatalog, Event
from telemetry.catalog.described import coverage
from telemetry.catalog.described.coverage import Coverage
from telemetry.catalog.described.described_catalog import describe


class Plain(Event):
    number: int = 0


catalog = AuditCatalog("c", version=1)
catalog.event("seen")(type("Seen", (Plain,), {}))
catalog.event("never")(type("Never", (Plain,), {}))
DESCRIBED = describe(catalog)


def value(event_type: str, *, service: str = "shop", hidden: bool = False) -> bytes:
    factory = EventFactory(
        service_name=service,
        environment="test",
        version="",
        max_event_bytes=1_000,
        features=("hidden-type",) if hidden else (),
    )
    record = ClearEncoder(source=f"/test/{service}").seal(
        factory.draft(event_type, {}, "ada"), "0198c0de-0000-7000-8000-000000000001", 0
    )
    return record.value


def test_declared_and_undeclared_types_are_counted() -> None:
    seen = Coverage(DESCRIBED)
    for event_type in ("seen", "seen", "other"):
        seen.add(value(event_type))
    seen.add(value("seen", hidden=True))
    for odd in (None, b"", b"{}", b"\xff"):
        seen.add(odd)

    assert (seen.unseen, seen.undeclared) == (["never"], ["other"])
    assert [(kind.event_type, kind.events) for kind in seen.types()] == [("never", 0), ("other", 1), ("seen", 2)]
    assert seen.types()[2].first <= seen.types()[2].last
    assert (seen.hidden, seen.unread, seen.others) == (1, 4, 0)


def test_services_that_are_not_named_do_not_count() -> None:
    seen = Coverage(DESCRIBED, ["shop"])
    seen.add(value("seen", service="shop"))
    seen.add(value("other", service="bank"))

    assert (seen.unseen, seen.undeclared) == (["never"], [])


def test_many_forged_types_do_not_fill_the_memory() -> None:
    seen = Coverage(DESCRIBED)
    for number in range(coverage.MAX_TYPES + 5):
        seen._count(f"type {number}", "2026-01-31T12:00:00Z")

    assert len(seen.types()) == coverage.MAX_TYPES + 2
    assert seen.others == 5
