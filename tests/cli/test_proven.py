"""``tail`` and ``export`` with trusted keys: each event says whether it is proven."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry import open_trail
from telemetry.reader import OpenedEvent, Proven
from telemetry.testing import EmbeddedKafka
from tests.attacks.forge import trust_file
from tests.attacks.site import KeyFiles, Site


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    """A KEK and a signing key."""
    return KeyFiles(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def site(keys: KeyFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A process that ended, one that runs, and junk of a stranger."""
    with EmbeddedKafka(partitions=1) as kafka:
        site = Site(kafka, tmp_path_factory.mktemp("site"), keys)
        running = site.writer(2)
        signed = [running.event("login"), running.checkpoint()]
        junk = signed[0]._replace(value=b"hello")
        site.put([*site.writer(1).run(3), *signed, junk, running.event("logout")])
        yield site


def _trust(site: Site, folder: Path) -> tuple[str, str]:
    key = {"public": site.keys.public_key, "roles": ["service"], "sources": ["/production/payments"]}
    return trust_file(folder / "trust.toml", key)


def test_events_are_marked_and_counted(site: Site, tmp_path: Path) -> None:
    for options in (("--public-key", site.keys.public_key), _trust(site, tmp_path)):
        ended = site.run("export", "--sort", "arrival", *options)

        assert [json.loads(line)["proven"] for line in ended.out.splitlines()] == ["yes"] * 4 + ["pending"]
        assert "1 foreign  4 proven  1 pending" in ended.err
        assert ended.code == 0


def test_tail_marks_events_for_people(site: Site) -> None:
    ended = site.run("tail", "--public-key", site.keys.public_key)

    lines = ended.out.decode().splitlines()
    assert ["pending" in line for line in lines] == [False] * 4 + [True]
    assert sum("  proven  " in line for line in lines) == 4
    assert "1 foreign  4 proven  1 pending" in ended.err


def test_table_has_both_columns(site: Site, tmp_path: Path) -> None:
    ended = site.run("export", "--sort", "arrival", "--format", "csv", *_trust(site, tmp_path))

    rows = list(csv.DictReader(ended.out.decode().splitlines()))
    assert [(row["sealed"], row["proven"]) for row in rows] == [("true", "yes")] * 4 + [("true", "pending")]


def test_without_keys_nothing_is_judged(site: Site) -> None:
    ended = site.run("export")

    assert {json.loads(line)["proven"] for line in ended.out.splitlines()} == {"not judged"}
    assert "proven" not in ended.err
    assert ended.code == 3  # nothing says that the junk is a stranger's


def test_configuration_names_the_trust_file(site: Site, tmp_path: Path) -> None:
    _, file = _trust(site, tmp_path)
    with open_trail(site.config(trust_file=file)) as trail:
        configured = [entry.proven for entry in trail if isinstance(entry, OpenedEvent)]
    with open_trail(site.config(), trust=file) as trail:
        given = [entry.proven for entry in trail if isinstance(entry, OpenedEvent)]

    assert configured == given == [Proven.YES] * 4 + [Proven.PENDING]
    assert trail.counts.foreign == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [(("tail", "--proof-wait", "5"), "--proof-wait"), (("export", "--trust", "absent.toml"), "absent.toml")],
)
def test_options_that_cannot_be_used(site: Site, options: tuple[str, ...], named: str) -> None:
    ended = site.run(*options)

    assert ended.code == 2
    assert named in ended.err


def test_one_of_both_options_is_enough(site: Site, tmp_path: Path) -> None:
    ended = site.run("tail", "--public-key", site.keys.public_key, *_trust(site, tmp_path))

    assert ended.code == 2
    assert "--trust" in ended.err


@pytest.mark.parametrize(("wait", "expected"), [((), "pending"), (("--proof-wait", "60"), "yes")])
def test_followed_events_are_pending_or_wait(site: Site, wait: tuple[str, ...], expected: str) -> None:
    command = [sys.executable, "-m", "telemetry", "tail", "-c", str(site.file), "--follow", "--json"]
    process = subprocess.Popen(
        [*command, "--public-key", site.keys.public_key, *wait], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        # The first event is read before its checkpoint.
        assert json.loads(process.stdout.readline())["proven"] == expected
    finally:
        process.kill()
        process.wait(60)
        if process.stdout is not None:
            process.stdout.close()


def test_events_of_the_library_itself_are_proven(keys: KeyFiles, tmp_path: Path) -> None:
    with EmbeddedKafka(partitions=3) as kafka:
        site = Site(kafka, tmp_path, keys)
        site.log((f"type-{number}" for number in range(300)), self_audit=True)
        site.log(["unsealed"], encryption_enabled=False, service="other", checkpoint_format=1)
        ended = site.run("export", *_trust(site, tmp_path), "--strict")

    proven = [json.loads(line)["proven"] for line in ended.out.splitlines()]
    assert len(proven) > 300
    assert set(proven) == {"yes"}
    # The key may not sign for the other service, whose event is in the clear.
    assert ended.code == 3
    assert "1 foreign" in ended.err
