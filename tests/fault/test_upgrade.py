"""Runs an earlier release and this one on one topic, spool, store and state: nothing is lost, and no alarm is raised.

``make upgrade-test UPGRADE_FROM=COMMIT`` names the earlier release, whose source is read from the history.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry.testing import EmbeddedKafka
from tests.support.leftovers import left_in
from tests.support.until import until
from tests.support.upgrade_site import UpgradeSite, source_of_commit

FORMER = os.environ.get("UPGRADE_FROM", "")
pytestmark = [
    pytest.mark.skipif(not FORMER, reason="UPGRADE_FROM names no earlier release: make upgrade-test"),
    pytest.mark.timeout(900),
]

_RED = ("tampered", "missing")


@pytest.fixture(scope="session")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source_of_commit(FORMER, tmp_path_factory.mktemp("former"))


@pytest.fixture
def site(former: Path, tmp_path: Path) -> Iterator[UpgradeSite]:
    with EmbeddedKafka(partitions=4) as kafka:
        site = UpgradeSite(kafka, tmp_path, former)
        yield site
        site.close()


def _print(what: str, code: int, report: dict[str, Any]) -> None:
    producers = [(each["verdict"], each["records"], each["proven"], each["findings"]) for each in report["producers"]]
    rest = {name: report.get(name) for name in ("verdict", "foreign", "findings")}
    sys.stderr.write(f"\n{what}: exit {code} {json.dumps(rest)}\n" + "".join(f"   {each}\n" for each in producers))


def test_killed_old_process_is_continued(site: UpgradeSite) -> None:
    state = site.folder / "state"
    old = site.start(is_former=True)
    old.log_more(300)
    _print("former verifier while it runs", *site.verify("--state", str(state), "--live", "60", is_former=True))
    site.kafka.stop_brokers()
    until(site.waiting, timeout=120, what="objects in the store")
    old.log_more(300)
    durable = old.kill()
    assert site.waiting()
    site.kafka.start_brokers()

    new = site.start()
    until(lambda: not site.waiting(), timeout=120, what="an empty store", state=site.waiting)
    new.log_more(200)
    durable |= new.end()

    site.require_all(durable)
    assert left_in(site.spool) == []
    for options in (["--state", str(state), "--continue"], ["--state", str(state)], []):
        code, report = site.verify(*options)
        _print(f"verify {options}", code, report)
        assert report["verdict"] not in _RED
    _print("former verifier at the end", *site.verify(is_former=True))


def test_old_process_killed_without_an_outage(site: UpgradeSite) -> None:
    old = site.start(is_former=True)
    old.log_more(330)
    durable = old.kill()

    new = site.start()
    new.log_more(100)
    durable |= new.end()

    site.require_all(durable)
    assert left_in(site.spool) == []
    code, report = site.verify()
    _print("verify", code, report)
    assert report["verdict"] not in _RED


def test_both_releases_share_a_store_through_an_outage(site: UpgradeSite) -> None:
    old, new = site.start(is_former=True), site.start()
    old.log_more(100)
    new.log_more(100)
    site.kafka.stop_brokers()
    until(lambda: any(name.startswith("=sealed") for name in site.waiting()), timeout=120, what="sealed objects")
    until(lambda: any(name.endswith(".jsonl") for name in site.waiting()), timeout=120, what="former objects")
    old.log_more(200)
    new.log_more(200)
    site.kafka.start_brokers()
    until(lambda: not site.waiting(), timeout=180, what="an empty store", state=site.waiting)
    old.log_more(100)
    new.log_more(100)
    durable = old.end() | new.end()

    site.require_all(durable)
    assert not [path for path in site.store.rglob("*") if path.is_file() and "quarantine" in str(path)]
    assert left_in(site.spool) == []
    for is_former in (False, True):
        code, report = site.verify(is_former=is_former)
        _print(f"verify, former release: {is_former}", code, report)
        assert code == 0


def test_former_formats_are_continued_by_the_former_release(site: UpgradeSite) -> None:
    former_bytes: dict[str, Any] = {"checkpoint_format": 1, "fallback_object_format": 1, "spool_format": 3}
    new = site.start(**former_bytes)
    new.log_more(200)
    site.kafka.stop_brokers()
    until(site.waiting, timeout=120, what="objects in the store")
    new.log_more(200)
    durable = new.kill()
    assert all(name.endswith(".jsonl") for name in site.waiting())
    site.kafka.start_brokers()

    old = site.start(is_former=True)
    old.log_more(100)
    until(lambda: not site.waiting(), timeout=120, what="an empty store", state=site.waiting)
    durable |= old.end()

    site.require_all(durable)
    for is_former in (False, True):
        code, report = site.verify(is_former=is_former)
        _print(f"verify, former release: {is_former}", code, report)
        assert code == 0


def test_former_release_leaves_what_the_new_one_left(site: UpgradeSite) -> None:
    new = site.start()
    new.log_more(200)
    site.kafka.stop_brokers()
    until(site.waiting, timeout=120, what="objects in the store")
    new.log_more(200)
    durable = new.kill()
    site.kafka.start_brokers()
    stored, spooled = site.waiting(), [name for name in left_in(site.spool) if name.endswith(".spool")]

    old = site.start(is_former=True)
    old.log_more(200)
    durable |= old.end()
    assert site.waiting() == stored
    assert [name for name in left_in(site.spool) if name.endswith(".spool")] == spooled

    last = site.start()
    last.log_more(100)
    until(lambda: not site.waiting(), timeout=120, what="an empty store", state=site.waiting)
    durable |= last.end()

    site.require_all(durable)
    assert left_in(site.spool) == []
    code, report = site.verify()
    _print("verify", code, report)
    assert code == 0
