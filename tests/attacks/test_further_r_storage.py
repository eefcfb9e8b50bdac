"""R unwraps the data keys of what is stored, and so can seal content keys: a mark of the service it must not have."""

from __future__ import annotations

from pathlib import Path

from telemetry.audit.producer import TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.sealing import SPOOL_PURPOSE
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.encryption.storage_secret import StorageSecrets
from telemetry.format.objects.sealed_object import OBJECT_PURPOSE, ContentKey, seal_object
from telemetry.format.objects.stored_name import SEALED, WAITING, object_name
from tests.attacks.forge import TOPIC, Writer
from tests.attacks.planted import DAY, put, stored
from tests.attacks.site import Site
from tests.support.in_process import run


def readers_key(site: Site, writer: Writer, purpose: bytes) -> ContentKey:
    """Return a content key that somebody created who may unwrap, and has neither storage secret nor signing key."""
    return StorageKeys(StorageSecrets(), sources=[writer.source], provider=site.keys.provider).create(purpose)


def test_segment_that_a_reader_sealed_is_not_signed(site: Site) -> None:
    """R with L: a reader's right and a file in the spool folder."""
    spool, forged = site.folder / "spool", site.writer(66)
    spool.mkdir(mode=0o700)
    records = [
        SealedRecord.written(
            f"0198c0de-0000-7000-8000-{number:012x}",
            producer=forged.producer,
            sequence=number,
            key=event.key or b"",
            value=event.value or b"",
        )
        for number, event in enumerate([forged.event("wire_transfer") for _ in range(3)])
    ]
    key = readers_key(site, forged, SPOOL_PURPOSE)
    segment = SpoolSegment.create(spool, producer=forged.producer, topic=TOPIC, source=forged.source, key=key)
    segment.append(records, settled_below=0, tree=TreeState(forged.producer, 3, forged.tree.to_bytes()))
    segment.close()

    site.log(["user_login"], spool_path=spool)

    verified = site.verify()
    assert verified.proven(forged.producer) == 0
    assert not verified.of(forged.producer).get("is_closed")


def test_object_that_a_reader_sealed_is_not_published(site: Site, tmp_path: Path) -> None:
    """R with F, against a service that signs nothing: its storage secret is its mark."""
    store, forged = tmp_path / "fallback", site.writer(66)
    store.mkdir(mode=0o700)
    created = "0198c0de-1111-7222-8333-000000000001"
    parts = {"created_uuid7": created, "day": DAY, "producer": forged.producer, "first": 0, "last": 0}
    name = SEALED.below(WAITING, object_name(TOPIC, shelf=SEALED, **parts))  # type: ignore[arg-type]
    records = stored([forged.event("wire_transfer")], first=0)
    key = readers_key(site, forged, OBJECT_PURPOSE)
    put(store, name, seal_object(records, topic=TOPIC, producer=forged.producer, reason="unreachable", key=key))
    site._write_file("unsigned.toml", {"storage_secret": "correct horse battery staple"})

    ended = run(*("fallback", "replay", "-c", str(site.folder / "unsigned.toml")), "--fallback-path", str(store))

    assert "0 events replayed" in ended.err
    assert site.records() == []
    assert (store / name).exists()
