from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.encryption.signing_key import SigningKey
from telemetry.format import canonical_base64
from telemetry.format.proof.cosignature import COSIGNATURE
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.roster.store import open_rosters
from telemetry.testing import EmbeddedKafka
from tests.attacks.forge import Writer
from tests.attacks.site import PASSPHRASE, KeyFiles, Site
from tests.support.in_process import Ended
from tests.support.time_authority import TimeAuthority
from tests.support.until import until
from tests.support.written_trail import Signer
from tests.unit.format.proof.test_cosignature import KEY as COSIGNER
from tests.unit.format.proof.test_cosignature import cosigned


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return KeyFiles(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def watched(keys: KeyFiles, tmp_path: Path) -> Iterator[Watched]:
    with EmbeddedKafka(partitions=1) as kafka:
        yield Watched(Site(kafka, tmp_path, keys))


class Watched:
    """A trail and its witness."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.rosters = site.folder / "rosters"
        self.state = site.folder / "witness-key.witness-state"

    def look(self, site: Site | None = None, *, options: tuple[str, ...] = ()) -> Ended:
        return (site or self.site).run_witness(self.rosters, *options)

    def required(self) -> tuple[str, ...]:
        key = SigningKey.load(self.site.folder / "witness-key", PASSPHRASE).public_key
        return "--public-key", self.site.keys.public_key, "--require-witness", key, "--roster", self.rosters.as_uri()

    def history(self) -> RosterHistory:
        key = SigningKey.load(self.site.folder / "witness-key", PASSPHRASE)
        public = PublicKey.parse(key.public_key)
        with open_rosters(self.rosters.as_uri(), public) as rosters:
            history = RosterHistory.read(rosters.documents(), public)
        assert (history.faults, history.gaps, history.foreign) == ([], [], 0)
        return history

    def files(self) -> list[str]:
        return sorted(path.name for path in self.rosters.rglob("*.roster"))

    def writer(self, number: int = 1) -> Writer:
        return Writer(number, signer=self.site.keys.signing)


def test_rounds_continue_one_log(watched: Watched) -> None:
    writer = watched.writer()
    watched.site.put(writer.run(10, every=5, end=False))
    assert watched.look().code == 0
    watched.site.put(writer.run(5))
    assert watched.look().code == 0
    assert watched.look().code == 0

    history = watched.history()
    seen = history.streams[writer.producer, writer.source]
    assert [sighting.entry.size for sighting in seen.sightings] == [10, 15]
    assert (seen.latest.is_closed, seen.is_chained) == (True, True)
    assert len(watched.files()) == 3
    assert history.ranges["audit-events", 0].end == 18
    assert watched.state.stat().st_mode & 0o777 == 0o600


def test_strangers_are_not_rostered(watched: Watched) -> None:
    stranger = Writer(66, signer=Signer(9, "stranger"))
    watched.site.put([*stranger.run(3), *watched.writer().run(3)])

    assert watched.look().code == 0
    assert list(watched.history().streams) == [(watched.writer().producer, watched.writer().source)]


def test_lost_state_is_rebuilt_from_the_rosters(watched: Watched) -> None:
    writer = watched.writer()
    watched.site.put(writer.run(5, end=False, every=5))
    assert watched.look().code == 0
    watched.state.unlink()
    watched.site.put(writer.run(5))

    assert watched.look().code == 0
    assert [seen.entry.size for seen in watched.history().streams[writer.producer, writer.source].sightings] == [5, 10]


def test_lost_state_does_not_hide_a_rewritten_topic(watched: Watched) -> None:
    honest, other = watched.writer(), watched.writer()
    watched.site.put([honest.event("wire_transfer"), honest.checkpoint(final=True)])
    assert watched.look().code == 0
    watched.state.unlink()

    with watched.site.rewritten([other.event("nothing_happened"), other.checkpoint(final=True)]) as attacked:
        ended = watched.look(attacked)

    assert ended.code == 3
    assert honest.producer in ended.err
    assert len(watched.files()) == 1


def test_old_copy_of_the_state_is_refused(watched: Watched, tmp_path: Path) -> None:
    watched.site.put(watched.writer().run(3))
    assert watched.look().code == 0
    shutil.copy(watched.state, tmp_path / "copy")
    assert watched.look().code == 0
    shutil.copy(tmp_path / "copy", watched.state)

    ended = watched.look()

    assert ended.code == 3
    assert "another witness has this key" in ended.err
    assert len(watched.files()) == 2


def test_absent_rosters_are_refused(watched: Watched) -> None:
    watched.site.put(watched.writer().run(3))
    assert watched.look().code == 0
    shutil.rmtree(watched.rosters)

    assert watched.look().code == 3


def test_roster_of_a_killed_witness_is_published_later(watched: Watched) -> None:
    watched.site.put(watched.writer().run(3))
    # A file is in the place of the folder: the state has the roster, the store does not.
    watched.rosters.write_text("")
    assert watched.look().code == 6
    assert watched.state.exists()
    watched.rosters.unlink()

    assert watched.look().code == 0
    assert len(watched.files()) == 2
    assert watched.history().streams


def test_cut_topic_is_refused(watched: Watched) -> None:
    records = watched.writer().run(20, every=5)
    watched.site.put(records)
    assert watched.look().code == 0

    with watched.site.rewritten(records[:9]) as attacked:
        ended = watched.look(attacked)

    assert ended.code == 3
    assert "cut or created again" in ended.err
    assert len(watched.files()) == 1


def test_exchanged_topic_of_the_same_length_is_refused(watched: Watched) -> None:
    watched.site.put(watched.writer(1).run(5))
    assert watched.look().code == 0

    with watched.site.rewritten(watched.writer(2).run(5)) as attacked:
        ended = watched.look(attacked)

    assert ended.code == 3
    assert "rewritten" in ended.err


def test_key_without_a_file_is_refused(watched: Watched) -> None:
    ended = watched.site.run("witness", "--once", "--roster", "file:///srv/rosters", "--public-key", "x")

    assert ended.code == 2


def test_round_is_shown_as_json(watched: Watched) -> None:
    watched.site.put(watched.writer().run(3))
    assert watched.look().code == 0
    options = ("--once", "--roster", watched.rosters.as_uri(), "--public-key", watched.site.keys.public_key, "--json")
    config = watched.site.folder / "witness.toml"
    watched.site.file = config

    shown = json.loads(watched.site.run("witness", *options).out)

    assert (shown["streams"], shown["rosters"]) == (0, 1)


def test_required_time_stamps_and_cosignatures(watched: Watched, tmp_path: Path) -> None:
    pytest.importorskip("rfc3161_client", reason="the extra `timestamp` is not installed: run make setup")
    watched.site.put(watched.writer().run(3))
    cosigner = f"{COSIGNER.name}+{COSIGNER.key_id.hex()}+{canonical_base64.encode(COSIGNATURE + COSIGNER.key)}"
    with TimeAuthority(tmp_path / "tsa").running() as authority:
        assert watched.look(options=("--timestamp-url", authority.url, "--timestamp-ca", str(authority.root))).code == 0
        required = (*watched.required(), "--timestamp-ca", str(authority.root), "--cosigner", cosigner)

        alone = watched.site.verify(*required)
        newest = watched.history().newest
        assert newest is not None
        (roster,) = watched.rosters.rglob("*.roster")
        roster.with_suffix(".cosignatures").write_text(cosigned(newest.note, time=int(time.time())))
        both = watched.site.verify(*required)
        assert watched.look().code == 0  # this one has no time stamp
        unstamped = watched.site.verify(*required)

    assert authority.requests == 1
    assert (alone.code, both.code, unstamped.code) == (4, 0, 4)
    assert "not cosigned by witness.example" in alone.findings
    assert "time stamp" in unstamped.findings


def test_authority_that_does_not_answer_ends_the_round(watched: Watched) -> None:
    pytest.importorskip("rfc3161_client", reason="the extra `timestamp` is not installed: run make setup")
    watched.site.put(watched.writer().run(3))

    ended = watched.look(options=("--timestamp-url", "http://127.0.0.1:9"))

    assert ended.code == 6
    assert watched.files() == []
    assert watched.look().code == 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--roster", "file:///srv/rosters"), "--require-witness"),
        (("--require-witness", "x"), "--require-witness"),
        (("--require-witness", "x", "--roster", "file:///srv/rosters"), "--require-witness"),
        (("--require-witness", "x", "--roster", "ftp://host"), "--require-witness"),
        (("--cosigner", "x"), "--cosigner"),
    ],
)
def test_options_that_do_not_fit_are_refused(watched: Watched, options: tuple[str, ...], named: str) -> None:
    ended = watched.site.run("verify", "--public-key", watched.site.keys.public_key, *options)

    assert ended.code == 2
    assert named in ended.err


def test_service_is_not_its_own_witness(watched: Watched) -> None:
    key = watched.site.keys.public_key

    ended = watched.site.run(
        *("verify", "--public-key", key, "--require-witness", key, "--roster", watched.rosters.as_uri())
    )

    assert ended.code == 2
    assert "no witness" in ended.err


@pytest.mark.parametrize("options", [(), ("--once", "--every", "5")])
def test_once_or_every(watched: Watched, options: tuple[str, ...]) -> None:
    ended = watched.site.run("witness", *options, "--roster", "file:///srv/rosters", "--public-key", "x")

    assert ended.code == 2
    assert "--every" in ended.err


def test_rounds_end_on_sigterm(watched: Watched) -> None:
    watched.site.put(watched.writer().run(3))
    assert watched.look().code == 0
    options = ["--every", "1", "--roster", watched.rosters.as_uri(), "--public-key", watched.site.keys.public_key]
    process = subprocess.Popen(
        [sys.executable, "-m", "telemetry", "witness", "-c", str(watched.site.folder / "witness.toml"), *options]
    )
    try:
        until(lambda: len(watched.files()) >= 3)
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait(60)

    assert len(watched.history().streams) == 1


def test_rosters_on_the_topic_are_found_and_passed_over(watched: Watched) -> None:
    watched.site.log(["login"] * 3)
    assert watched.look(options=("--publish-topic",)).code == 0
    assert watched.look(options=("--publish-topic",)).code == 0
    public, key, require, witness, *_ = watched.required()

    required = watched.site.verify(public, key, require, witness)
    stranger = watched.site.verify()
    tail = watched.site.run("tail", "--json")
    opened = watched.site.run("tail", "--json", public, key)
    export = watched.site.run("export", "--format", "jsonl")

    assert (required.code, required.report["foreign"]["total"]) == (0, 0)
    assert any("witness" in note for note in required.report["notes"])
    assert (stranger.code, stranger.report["foreign"]["counts"]) == (0, {"junk": 2})
    assert [ended.code for ended in (tail, opened, export)] == [0, 0, 0], (tail.err, opened.err, export.err)
    assert tail.out.count(b"login") == opened.out.count(b"login") == export.out.count(b"login")


def test_absent_rosters_on_the_topic_are_a_finding(watched: Watched) -> None:
    watched.site.put(watched.writer().run(3))
    assert watched.look().code == 0
    public, key, require, witness, *_ = watched.required()

    verified = watched.site.verify(public, key, require, witness)

    assert verified.code == 4
    assert "no roster" in verified.findings
