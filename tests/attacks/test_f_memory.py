"""F stores objects whose content costs many times its size as soon as somebody reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.format.objects.fallback_object import StoredRecord, encode_object
from tests.attacks.forge import TOPIC
from tests.attacks.measured import measured
from tests.attacks.planted import name_of, put
from tests.attacks.site import Site

_MIB = 1 << 20
_PRODUCER = "0198c0de-ffff-7000-8000-000000000001"
_OTHER = "0198c0de-ffff-7000-8000-000000000002"
_MOST_MEMORY = 250 * _MIB
"""Peak of a command that reads an object of 48 MB: what it has at its start, and the object's bytes twice."""

_MOST_OF_REPLAY = 180 * _MIB
"""The same for an object of 34 MB."""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A fallback store with an object that is a header and 48 MB of newlines."""
    folder = tmp_path / "fallback"
    put(folder, name_of(0, producer=_PRODUCER, first=0, last=0), b'{"format_version":1}' + b"\n" * (48 * _MIB))
    return folder


def test_newlines_in_the_store_cost_readers_no_memory(site: Site, store: Path) -> None:
    arguments = ("tail", "-c", str(site.file), "--from", "fallback", "--fallback-path", str(store))

    ended = measured("telemetry", *arguments, folder=site.folder)

    assert ended.peak < _MOST_MEMORY, ended.err


def test_newlines_in_the_store_cost_verify_no_memory(site: Site, store: Path) -> None:
    arguments = ("verify", "-c", str(site.file), "--public-key", site.keys.public_key, "--fallback-path", str(store))

    ended = measured("telemetry", *arguments, folder=site.folder)

    assert ended.peak < _MOST_MEMORY, ended.err


def test_newlines_in_a_file_cost_readers_no_memory(site: Site, store: Path) -> None:
    file = next(store.rglob("*.jsonl"))

    ended = measured("telemetry", "tail", "-c", str(site.file), "--file", str(file), folder=site.folder)

    assert ended.peak < _MOST_MEMORY, ended.err


def test_small_records_cost_the_replay_no_memory(site: Site, tmp_path: Path) -> None:
    store = tmp_path / "fallback"
    content = encode_object([StoredRecord(b"", b"", 0)] * 1_000_000, topic=TOPIC, producer=_OTHER, reason="unreachable")
    # Under a name that is not its own, so that it is refused, and what is measured is the reading alone.
    put(store, name_of(0, producer=_PRODUCER, first=0, last=0), content)
    assert len(content) < 40 * _MIB

    arguments = ("fallback", "replay", "-c", str(site.file), "--fallback-path", str(store))
    ended = measured("telemetry", *arguments, folder=site.folder)

    assert "0 events replayed" in ended.err
    assert ended.peak < _MOST_OF_REPLAY
