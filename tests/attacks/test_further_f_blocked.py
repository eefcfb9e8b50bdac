"""F puts objects under a victim's name on the shelf that is replayed first, so that the victim's own wait for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.audit.replay import object_reader
from tests.attacks.forge import Writer
from tests.attacks.planted import name_of, plant, put, stored, stored_in_an_outage
from tests.attacks.site import Site
from tests.support.in_process import run

_HUGE = 65 << 20
"""Bytes of an object that no replay moves to the quarantine."""


@pytest.fixture
def waiting(site: Site, tmp_path: Path) -> tuple[Path, str]:
    """A store in which three events wait, and their producer."""
    store = tmp_path / "fallback"
    path = stored_in_an_outage(site, store, ["login", "wire_transfer", "logout"])
    return store, path.name[37:73]


def replayed(site: Site, store: Path) -> int:
    """Replay the store; return how many events are on the topic."""
    ended = run("fallback", "replay", "-c", str(site.service_file()), "--fallback-path", str(store))
    assert "replayed" in ended.err, ended.err
    return sum(b'"application/jose"' in (record.value or b"") for record in site.records())


def test_waiting_events_are_replayed(site: Site, waiting: tuple[Path, str]) -> None:
    assert replayed(site, waiting[0]) == 3


def test_junk_that_cannot_be_moved_blocks_nobody(site: Site, waiting: tuple[Path, str]) -> None:
    store, producer = waiting
    planted = put(store, name_of(1, producer=producer, first=0, last=0), b"junk\n")
    with planted.open("r+b") as file:
        file.truncate(_HUGE)

    assert replayed(site, store) == 3
    assert planted.exists(), "evidence of the attack is not deleted"


def test_more_strange_objects_than_are_remembered_block_nobody(
    site: Site, waiting: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # 10,000 of them take F a minute; the bound is what matters.
    monkeypatch.setattr(object_reader, "_MAX_REMEMBERED", 5)
    store, producer = waiting
    for number in range(8):
        other = Writer(9, producer=producer if number < 2 else None, service="marketing")
        plant(store, stored([other.event("newsletter")], first=0), producer=other.producer, number=number)

    assert replayed(site, store) == 3
