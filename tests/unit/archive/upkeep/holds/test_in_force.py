from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from telemetry.archive.upkeep.holds.hold import Hold, Release, sign_statement
from telemetry.archive.upkeep.holds.in_force import FOLDER, HeldRow, Holds
from telemetry.archive.upkeep.holds.keeping import put_hold, put_release
from telemetry.config import StorageConfig
from telemetry.exceptions import ConfigurationError, StorageConflictError, VerificationError
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.trust import Role, TrustedKey, TrustPolicy
from telemetry.storage import StorageProvider, StorageProviderFactory
from tests.support.sealed_archive import ARCHIVE, ARCHIVER, SOURCE
from tests.support.written_trail import Signer

ID, OTHER_ID = "019c1180-09ad-7383-9790-0a5e588d6c7f", "019c1180-09ad-7383-9790-0a5e588d6c80"
HASH = "k" * 22
AUDITOR, STRANGER = Signer(11, "auditor"), Signer(12, "stranger")
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
ROW = HeldRow(HASH, "shop", "order.paid", (NOON,))


def a_key(signer: Signer, role: Role, source: str) -> TrustedKey:
    return TrustedKey(public=PublicKey.parse(signer.public_key), roles=frozenset({role}), sources=(source,))


TRUST = TrustPolicy((a_key(ARCHIVER, Role.ARCHIVER, SOURCE), a_key(AUDITOR, Role.AUDITOR, "/test/*")))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StorageProvider]:
    with StorageProviderFactory.create(StorageConfig(provider="local_file", base_path=tmp_path / "archive")) as opened:
        yield opened


def a_hold(**parts: Any) -> Hold:
    fixed = {"id": ID, "archive": ARCHIVE, "time": "2024-01-01T00:00:00Z", "by": "dora", "reason": "case 17"}
    return Hold(**{**fixed, **parts})


def a_release(**parts: Any) -> Release:
    fixed = {"id": ID, "archive": ARCHIVE, "time": "2024-01-02T00:00:00Z", "by": "dora", "reason": "closed"}
    return Release(**{**fixed, **parts})


def load(store: StorageProvider, trust: TrustPolicy = TRUST) -> list[str]:
    return [hold.id for hold in Holds.load(store, trust=trust, source=SOURCE, archive=ARCHIVE)]


@pytest.mark.parametrize("signer", [ARCHIVER, AUDITOR])
def test_hold_is_in_force_until_it_is_released(store: StorageProvider, signer: Signer) -> None:
    put_hold(store, a_hold(), signer)
    put_hold(store, a_hold(id=OTHER_ID), ARCHIVER)
    assert load(store) == [ID, OTHER_ID]

    put_release(store, a_release(), signer)

    assert load(store) == [OTHER_ID]
    with pytest.raises(StorageConflictError):
        put_release(store, a_release(reason="again"), signer)


def test_unknown_hold_cannot_be_released(store: StorageProvider) -> None:
    with pytest.raises(ConfigurationError, match="names no hold"):
        put_release(store, a_release(), ARCHIVER)


def test_hold_that_no_trusted_key_signed_ends_it(store: StorageProvider) -> None:
    put_hold(store, a_hold(), STRANGER)

    with pytest.raises(VerificationError, match="is not believed"):
        load(store)
    put_release(store, a_release(), ARCHIVER)
    assert load(store) == []


def test_release_by_a_stranger_lifts_nothing(store: StorageProvider) -> None:
    put_hold(store, a_hold(), ARCHIVER)
    put_release(store, a_release(), STRANGER)

    assert load(store) == [ID]


def test_release_of_another_hold_lifts_nothing(store: StorageProvider) -> None:
    put_hold(store, a_hold(), ARCHIVER)
    store.put(f"{FOLDER}{ID}.release", sign_statement(a_release(id=OTHER_ID), ARCHIVER))

    assert load(store) == [ID]


def test_release_of_another_archive_lifts_nothing(store: StorageProvider) -> None:
    put_hold(store, a_hold(), ARCHIVER)
    store.put(f"{FOLDER}{ID}.release", sign_statement(a_release(archive=OTHER_ID), ARCHIVER))

    assert load(store) == [ID]


@pytest.mark.parametrize("data", [b"", b"\xff", b"rubbish\n", b"x" * 100_000])
def test_rubbish_in_the_place_of_a_hold_ends_it(store: StorageProvider, data: bytes) -> None:
    store.put(f"{FOLDER}{ID}.hold", data)

    with pytest.raises(VerificationError):
        load(store)


def test_objects_of_other_names_are_passed_over(store: StorageProvider) -> None:
    for name in ("readme.txt", "x.hold", f"{ID}.hold.bak"):
        store.put(FOLDER + name, b"?")

    assert load(store) == []


def test_hold_of_another_archive_is_none_here(store: StorageProvider) -> None:
    put_hold(store, a_hold(archive=OTHER_ID), ARCHIVER)

    assert load(store) == []


def test_revoked_key_holds_nothing(store: StorageProvider) -> None:
    put_hold(store, a_hold(), AUDITOR)
    revoked = replace(a_key(AUDITOR, Role.AUDITOR, "/test/*"), revoked_from=datetime(2030, 1, 1, tzinfo=UTC))

    with pytest.raises(VerificationError):
        load(store, TrustPolicy((revoked, a_key(ARCHIVER, Role.ARCHIVER, SOURCE))))


@pytest.mark.parametrize(
    ("parts", "covers"),
    [
        ({}, True),
        ({"keyhashes": (HASH,)}, True),
        ({"keyhashes": ("o" * 22,)}, False),
        ({"service": "shop", "event_type": "order.paid"}, True),
        ({"service": "other"}, False),
        ({"event_type": "other"}, False),
        ({"since": "2024-01-01T12:00:00Z"}, True),
        ({"until": "2024-01-01T12:00:00Z"}, False),
        ({"since": "2023-01-01T00:00:00Z", "until": "2024-01-01T12:00:01Z"}, True),
    ],
)
def test_rows_that_a_hold_covers(parts: dict[str, Any], covers: bool) -> None:
    holds = Holds([a_hold(**parts)])

    assert (holds.of_row(ROW) is not None) is covers
    assert holds.of_row(HeldRow(None, None, None, ())) is not None, "what is not known may be what is held"


def test_person_that_a_hold_covers(store: StorageProvider) -> None:
    put_hold(store, a_hold(keyhashes=(HASH,), service="shop"), ARCHIVER)

    def held(keyhash: str, service: str) -> bool:
        return bool(Holds.load(store, trust=TRUST, source=SOURCE).covering(keyhashes=[keyhash], service=service))

    assert held(HASH, "shop")
    assert held(HASH, "")
    assert not held("o" * 22, "shop")
    assert not held(HASH, "other")
    assert Holds.load(store, trust=TRUST, source=SOURCE).covering(keyhashes=None, service="shop"), (
        "a person without hashes may be the one who is held"
    )
    assert not Holds.load(store, trust=TRUST, source=SOURCE).covering(keyhashes=None, service="other")


def test_hold_of_a_service_covers_its_people(store: StorageProvider) -> None:
    put_hold(store, a_hold(service="shop"), ARCHIVER)

    assert Holds.load(store, trust=TRUST, source=SOURCE).covering(keyhashes=[HASH], service="shop")
