"""Keys of subjects for readers: destroyed is not unknown, and both are told apart by the store alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from telemetry.exceptions import SubjectKeyMissingError, SubjectStoreError
from telemetry.reader.open.subjects import KnownSubjects, subjects_of
from tests.support.quick_telemetry import NOWHERE, as_shop, quick_config
from tests.support.subject_keys import key_for
from tests.support.subject_stores import SOURCE, SubjectSite, local_provider


@pytest.fixture
def site(tmp_path: Path) -> SubjectSite:
    return SubjectSite.in_sqlite(tmp_path)


def test_key_is_found_until_it_is_destroyed(site: SubjectSite, tmp_path: Path) -> None:
    provider = local_provider(tmp_path)
    ring = site.keyring(provider)
    ring.require(SOURCE)
    subjects = ring.of(SOURCE)
    subjects.request(["ada"]).result(60)
    key = subjects.take("ada")
    assert key is not None
    ring.close()

    with KnownSubjects(site.reader(provider)) as known:
        found = known.key_of(key.key_id)
        assert found is not None
        assert found.key_id == key.key_id
        named = {"environment": "production", "service_name": "shop"}
        assert known.kafka_keys("ada", **named) == [key.kafka_key(b"ada:shop")]
        assert known.kafka_keys("ada", environment="test", service_name="shop") == []
    with site.open() as store:
        store.begin_forgetting([key.key_id])
        assert store.destroy([key.key_id]).destroyed

    with KnownSubjects(site.reader(provider)) as known:
        assert known.key_of(key.key_id) is None
        assert known.source_of(key.key_id) == SOURCE
        assert known.kafka_keys("ada", **named) == []


def test_key_that_was_never_there_is_an_error(site: SubjectSite, tmp_path: Path) -> None:
    with (
        KnownSubjects(site.reader(local_provider(tmp_path))) as known,
        pytest.raises(SubjectKeyMissingError, match="was not forgotten"),
    ):
        known.key_of("A" * 32)


def test_row_that_was_altered_is_not_forgotten(site: SubjectSite, tmp_path: Path) -> None:
    provider = local_provider(tmp_path)
    ring = site.keyring(provider)
    ring.require(SOURCE)
    ring.of(SOURCE).request(["ada"]).result(60)
    key = ring.of(SOURCE).take("ada")
    assert key is not None
    ring.close()
    site.execute("UPDATE telemetry_subject_keys SET sealed = ?", bytes(60))

    with (
        KnownSubjects(site.reader(provider)) as known,
        pytest.raises(SubjectKeyMissingError, match="does not open"),
    ):
        known.key_of(key.key_id)


def test_store_that_is_away_is_no_verdict(site: SubjectSite, tmp_path: Path) -> None:
    provider = local_provider(tmp_path)
    assert site.file is not None
    site.file.write_bytes(b"no database" * 1_000)
    with KnownSubjects(site.reader(provider)) as known, pytest.raises(SubjectStoreError):
        known.key_of("A" * 32)


def test_without_section_or_key_service_there_is_no_store(tmp_path: Path) -> None:
    config = as_shop(quick_config(NOWHERE, tmp_path))

    assert subjects_of(config, local_provider(tmp_path)) is None
    assert subjects_of(config, None) is None


def test_key_is_asked_for_again_after_a_second() -> None:
    now, asked = 0.0, list[str]()
    key = key_for("ada")

    class Store:
        def find(self, user_id: str, *, source: str) -> list[str]:
            return [user_id, source]

        def open(self, key_ids: Iterable[str]) -> dict[str, object]:
            asked.extend(key_ids)
            return {key.key_id: key}

        def close(self) -> None:
            asked.append("closed")

    known = KnownSubjects(Store(), clock=lambda: now)
    assert [known.key_of(key.key_id) for _ in range(100)] == [key] * 100
    assert asked == [key.key_id]
    now = 1.0
    assert known.key_of(key.key_id) is key
    assert asked == [key.key_id] * 2
    known.close()
    assert asked[-1] == "closed"
