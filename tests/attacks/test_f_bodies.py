"""F exchanges what is in the store below true headers: each object is named, and none of it reaches the topic."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.sync import Telemetry
from tests.attacks.site import Site

_EVENTS = 6


def _body(content: bytes) -> tuple[bytes, bytes]:
    """Return an object's header with its leaves, and its ciphertext."""
    end = content.index(b"\n") + 1 + _EVENTS * HASH_BYTES
    return content[:end], content[end:]


def _junk(objects: list[Path]) -> list[Path]:
    head, body = _body(objects[0].read_bytes())
    objects[0].write_bytes(head + bytes(len(body)))
    return objects[:1]


def _swap(objects: list[Path]) -> list[Path]:
    first, second = (_body(path.read_bytes()) for path in objects)
    objects[0].write_bytes(first[0] + second[1])
    objects[1].write_bytes(second[0] + first[1])
    return objects


@pytest.fixture
def stored(site: Site, tmp_path: Path) -> list[Path]:
    """Two processes' objects of six events each; each process had signed two events before Kafka went away."""
    store = tmp_path / "fallback"
    for process in range(2):
        # A folder for each process: the second one would replay what the first has left.
        own = tmp_path / f"fallback-{process}"
        config = site.config(
            kafka_timeout_ms=500,
            max_retries=0,
            fallback_enabled=True,
            storage_config={"provider": "local_file", "base_path": own},
            fallback_object_seconds=60.0,
            self_audit=False,
            signing_config={**site.keys.signs, "every_events": 2},
        )
        with Telemetry(config) as telemetry:
            signed = [telemetry.audit.log("login", {}, "user-1") for _ in range(2)]
            for receipt in signed:
                receipt.wait_delivered(30.0)
            site.kafka.stop_brokers()
            for number in range(_EVENTS):
                telemetry.audit.log("payment", {"number": number}, "user-1")
        site.kafka.start_brokers()
        shutil.copytree(own, store, dirs_exist_ok=True)
    return sorted(path for path in store.rglob("*.tobj") if "-none-" not in path.name)


@pytest.mark.parametrize("attack", [_junk, _swap])
def test_exchanged_bodies_are_named_and_not_sent(
    site: Site, stored: list[Path], tmp_path: Path, attack: Callable[[list[Path]], list[Path]]
) -> None:
    assert len(stored) == 2
    touched, store = attack(stored), str(tmp_path / "fallback")

    looked = site.run_as_service("fallback", "verify", "--fallback-path", store)
    verified = site.verify("--fallback-path", store)
    replayed = site.run_as_service("fallback", "replay", "--fallback-path", store)

    assert looked.code == 3
    assert verified.code != 0
    for path in touched:
        assert path.name in looked.out.decode() + looked.err
        assert path.name in replayed.err
        assert path.name in str(verified)
    sent = sum(b'"type":"payment"' in (record.value or b"") for record in site.records())
    assert sent == (len(stored) - len(touched)) * _EVENTS
