"""Keys and store are opened only where they are used, tried if asked to, and closed with everything else, store first."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.key_supply import KeySupply
from telemetry.audit.opening.resources import Resources
from telemetry.config import AuditConfig, SubjectKeysConfig, TelemetryConfig
from telemetry.exceptions import (
    ConfigurationError,
    KeyUnreachableError,
    LifecycleError,
    StorageNotFoundError,
    StorageUnreachableError,
)
from telemetry.storage import StorageProviderFactory
from tests.support.faulty_services import FaultyKeys, FaultyStore
from tests.support.quick_telemetry import NOWHERE, quick_config


class Bench:
    """A key service and a store that can fail, and what was closed."""

    def __init__(self, folder: Path) -> None:
        self.keys, self.store = FaultyKeys(), FaultyStore()
        self.closed: list[str] = []
        self._folder = folder

    def resources(self, *, check: bool = True, **changes: Any) -> Resources:
        values: dict[str, Any] = {
            "encryption_enabled": True,
            "encryption_config": self.keys.config,
            "storage_config": self.store.config,
        }
        audit: AuditConfig = quick_config(NOWHERE, self._folder, **{**values, **changes})
        return Resources(TelemetryConfig(service_name="shop", environment="test", audit_config=audit), check=check)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    parts = Bench(tmp_path)
    close_keys = KeySupply.close
    store = type(StorageProviderFactory.create(parts.store.config))

    def closing_keys(keys: KeySupply) -> None:
        parts.closed.append("keys")
        close_keys(keys)

    monkeypatch.setattr(KeySupply, "close", closing_keys)
    monkeypatch.setattr(store, "check", lambda _store: parts.store.faults.meet("check"))
    monkeypatch.setattr(store, "close", lambda _store: parts.closed.append("store"))
    yield parts
    parts.keys.clear()
    parts.store.clear()


def _draft() -> EventDraft:
    factory = EventFactory(service_name="shop", environment="test", version="", max_event_bytes=1 << 20)
    return factory.draft("login", {"card": "4111-secret"}, "ada", {})


def test_keys_and_store_are_tried_and_closed_in_reverse(bench: Bench) -> None:
    resources = bench.resources()
    keys = resources.open_keys()
    store = resources.open_store()

    assert keys is not None
    assert keys.keyring.has_usable_key
    assert store is not None
    assert bench.store.faults.calls == ["check"]
    assert bench.closed == []

    resources.opened.close()

    assert bench.closed == ["store", "keys"]


def test_without_check_nothing_is_tried(bench: Bench) -> None:
    bench.keys.begin("failing")
    bench.store.begin("failing")
    resources = bench.resources(check=False)

    assert resources.open_keys() is not None
    assert resources.open_store() is not None

    assert (bench.keys.faults.calls, bench.store.faults.calls) == ([], [])
    resources.opened.close()
    assert bench.closed == ["store", "keys"]


def test_keys_that_fail_their_trial_are_closed(bench: Bench) -> None:
    bench.keys.begin("failing")
    resources = bench.resources()

    with pytest.raises(KeyUnreachableError):
        resources.open_keys()
    resources.opened.close()

    assert bench.closed == ["keys"]


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (StorageNotFoundError("no bucket"), ConfigurationError),
        (StorageUnreachableError("away"), StorageUnreachableError),
    ],
    ids=["misconfigured", "unreachable"],
)
def test_store_that_fails_its_trial_is_closed(bench: Bench, failure: Exception, error: type[Exception]) -> None:
    bench.store.faults.failure = failure
    resources = bench.resources()

    with pytest.raises(error, match=str(failure)):
        resources.open_store()
    resources.opened.close()

    assert bench.closed == ["store"]


@pytest.mark.parametrize("part", ["store", "keys"])
def test_part_that_cannot_close_keeps_no_other_open(
    bench: Bench, part: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    owner = type(StorageProviderFactory.create(bench.store.config)) if part == "store" else KeySupply
    monkeypatch.setattr(owner, "close", _fail)
    resources = bench.resources()
    resources.open_keys()
    resources.open_store()

    resources.opened.close()

    assert bench.closed == [{"store": "keys", "keys": "store"}[part]]
    assert f"{owner.__name__} could not be closed" in caplog.text


def _fail(_part: object) -> None:
    message = "the connection is gone"
    raise OSError(message)


def test_relay_opens_no_key_and_seals_nothing(bench: Bench) -> None:
    resources = bench.resources(relay_only=True)
    keys = resources.open_keys()
    sealer = resources.sealing(keys).sealer

    assert keys is None
    assert bench.keys.faults.calls == []
    with pytest.raises(LifecycleError, match="relay_only"):
        sealer.seal(_draft(), "producer", 0)


def test_events_are_sealed_whenever_there_are_keys(bench: Bench) -> None:
    resources = bench.resources()

    with resources.opened:
        record = resources.sealing(resources.open_keys()).sealer.seal(_draft(), "producer", 0)

    assert record is not None
    assert b"4111-secret" not in record.value
    assert b'"source":"/test/shop"' in record.value


def test_subjects_in_the_clear_are_refused(bench: Bench) -> None:
    subjects = SubjectKeysConfig(store=SecretStr("sqlite:////nowhere/subjects.db"))
    secret: dict[str, Any] = {"key_mode": "hmac", "key_hmac_secret": "s" * 32}

    with pytest.raises(ConfigurationError, match="nothing of a subject that is logged in the clear"):
        bench.resources(encryption_enabled=False, subject_keys=subjects, **secret).open_keys()


def test_clear_events_are_announced(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    resources = bench.resources(encryption_enabled=False)
    with caplog.at_level(logging.WARNING, "telemetry.audit"):
        keys = resources.open_keys()

    assert keys is None
    assert "encryption is off" in caplog.text
    record = resources.sealing(keys).sealer.seal(_draft(), "producer", 0)
    assert record is not None
    assert b"4111-secret" in record.value


def test_store_that_is_switched_off_takes_no_key(bench: Bench) -> None:
    audit = AuditConfig(
        kafka_brokers=NOWHERE,
        security_protocol="PLAINTEXT",
        encryption_config=bench.keys.config,
        storage_config=bench.store.config,
        fallback_enabled=False,
    )
    resources = Resources(TelemetryConfig(service_name="shop", audit_config=audit), check=True)
    with resources.opened:
        keys = resources.open_keys()
        asked = len(bench.keys.faults.calls)

        assert resources.open_store() is None
        resources.open_storage_keys(keys, None)

    assert len(bench.keys.faults.calls) == asked, "nothing is stored, so nothing is sealed for it"


@pytest.mark.parametrize("used", ["store", "spool"])
def test_key_of_what_is_stored_is_fetched_at_once(bench: Bench, used: str, tmp_path: Path) -> None:
    changes: dict[str, Any] = {} if used == "store" else {"fallback_enabled": False, "spool_path": tmp_path}
    resources = bench.resources(**changes)
    with resources.opened:
        keys = resources.open_keys()
        asked = len(bench.keys.faults.calls)
        storage_keys = resources.open_storage_keys(keys, None)

        assert bench.keys.faults.calls[asked:] == ["generate"]
        assert storage_keys.create(b"object").stored.wrapped is not None


def test_key_service_that_wraps_for_no_store_stops_the_start(bench: Bench) -> None:
    resources = bench.resources()
    with resources.opened:
        keys = resources.open_keys()
        bench.keys.begin("failing")

        with pytest.raises(ConfigurationError, match="storage_secret_file"):
            resources.open_storage_keys(keys, None)


def test_forked_child_fetches_that_key_later(bench: Bench) -> None:
    bench.keys.begin("failing")
    resources = bench.resources(check=False)
    with resources.opened:
        resources.open_storage_keys(resources.open_keys(), None)

        bench.keys.faults.wait_for("generate")
