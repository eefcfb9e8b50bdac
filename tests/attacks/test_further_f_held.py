"""F changes what a verifier without keys sees of sealed objects: their content, and how many there are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from telemetry.encryption.signing_key import SigningKey
from telemetry.format.objects.sealed_object import ContentKey, seal_object
from telemetry.format.objects.stored_key import StoredKey
from telemetry.format.objects.stored_name import SEALED, WAITING, object_name
from telemetry.reader import RawRecord
from telemetry.reader.verify.unproven import held_objects
from tests.attacks.forge import TOPIC, Writer, trust_file
from tests.attacks.planted import DAY, put, stored
from tests.attacks.site import Site, Verified
from tests.support.written_trail import Signer

HELD = "held in the fallback (content not checked)"


def sealed(records: list[RawRecord], *, producer: str, signer: SigningKey | Signer | None) -> bytes:
    """Return a sealed object under a key that only its service has."""
    key = ContentKey(os.urandom(32), StoredKey(os.urandom(16), "0123456789abcdef"))
    parts = stored(records, first=0)
    return seal_object(parts, topic=TOPIC, producer=producer, reason="unreachable", key=key, signer=signer)


def name_of(number: int, *, producer: str, count: int) -> str:
    created = f"0198c0de-1111-7222-8333-{number:012x}"
    name = object_name(TOPIC, created_uuid7=created, day=DAY, producer=producer, first=0, last=count - 1, shelf=SEALED)
    return SEALED.below(WAITING, name)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of the fallback store, as the service left it."""
    folder = tmp_path / "fallback"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def waiting(site: Site, store: Path) -> tuple[Writer, Path]:
    """A process whose three events wait in a sealed object; its checkpoint is on the topic."""
    writer = site.writer()
    events = [writer.event() for _ in range(3)]
    site.put([writer.checkpoint(final=True)])
    name = name_of(1_000, producer=writer.producer, count=3)
    return writer, put(store, name, sealed(events, producer=writer.producer, signer=site.keys.signing))


def verified_without_keys(site: Site, store: Path) -> Verified:
    """Verify the topic and the store as somebody who has the public key alone."""
    text = site.file.read_text()
    site.file.write_text(text.partition("[audit_config.encryption_config]")[0])
    return site.verify("--fallback-path", str(store))


def test_junk_under_true_leaves_is_named(site: Site, store: Path, waiting: tuple[Writer, Path]) -> None:
    path = waiting[1]
    assert HELD in verified_without_keys(site, store).findings
    content = path.read_bytes()
    path.write_bytes(content[:-200] + b"x" * 200)

    verified = verified_without_keys(site, store)

    assert path.name in str(verified)
    assert HELD not in verified.findings
    assert verified.verdict == "missing"


def test_cut_off_content_is_named(site: Site, store: Path, waiting: tuple[Writer, Path]) -> None:
    path = waiting[1]
    path.write_bytes(path.read_bytes()[:-1])

    verified = verified_without_keys(site, store)

    assert path.name in str(verified)
    assert HELD not in verified.findings
    assert verified.verdict == "missing"


def test_unsigned_objects_do_not_crowd_out_a_signed_one(
    site: Site, store: Path, waiting: tuple[Writer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # 100,000 of them take F some minutes; the bound is what matters.
    monkeypatch.setattr(held_objects, "MAX_HELD_OBJECTS", 20)
    writer = waiting[0]
    forged = Writer(9, producer=writer.producer)
    events = [forged.event("junk") for _ in range(3)]
    for number in range(30):
        signer = None if number % 2 else Signer(7, "stranger")
        put(
            store,
            name_of(number, producer=writer.producer, count=3),
            sealed(events, producer=writer.producer, signer=signer),
        )

    verified = verified_without_keys(site, store)

    assert HELD in verified.findings


def test_revoked_key_holds_nothing_in_the_fallback(site: Site, store: Path) -> None:
    """B deletes the events, K has the stolen key, F stores an object whose header lists their leaves, which are public."""
    stolen, writer = Signer(4, "payments-2025"), site.writer()
    events = [writer.event() for _ in range(3)]
    site.put([writer.checkpoint(final=True)])
    name = name_of(1_000, producer=writer.producer, count=3)
    put(store, name, sealed(events, producer=writer.producer, signer=stolen))
    entry: dict[str, object] = {"roles": ["service"], "sources": ["/production/payments"]}
    keys = {"public": site.keys.public_key, **entry}, {"public": stolen.public_key, **entry}
    text = site.file.read_text()
    site.file.write_text(text.partition("[audit_config.encryption_config]")[0])

    tomorrow = "2120-01-01T00:00:00Z"
    before = site.verify(*trust_file(site.folder / "a.toml", *keys), "--fallback-path", str(store))
    revoked = trust_file(site.folder / "b.toml", keys[0], {**keys[1], "revoked_from": tomorrow})
    verified = site.verify(*revoked, "--fallback-path", str(store))

    assert HELD in before.findings
    assert HELD not in verified.findings
    assert verified.verdict == "missing"
