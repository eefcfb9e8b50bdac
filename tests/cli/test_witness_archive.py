"""``telemetry witness --archive``: its log has the seals, also after its state is lost, and a cut end stops it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.config import StorageConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.format.archive.seal_note import seal_name
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.roster.store import open_rosters
from telemetry.reader.seals.chain import judge_chain
from telemetry.reader.seals.trust import own_policy
from telemetry.storage import StorageProviderFactory
from telemetry.testing import EmbeddedKafka
from tests.attacks.forge import Writer
from tests.attacks.site import PASSPHRASE, KeyFiles, Site
from tests.support.in_process import Ended
from tests.support.sealed_archive import ARCHIVE, ARCHIVER, SOURCE, SealedArchive


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return KeyFiles(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def site(keys: KeyFiles, tmp_path: Path) -> Iterator[Site]:
    with EmbeddedKafka(partitions=1) as kafka:
        site = Site(kafka, tmp_path, keys)
        site.put(Writer(1, signer=keys.signing).run(3))
        yield site


@pytest.fixture
def archive(tmp_path: Path) -> SealedArchive:
    folder = tmp_path / "archive"
    folder.mkdir(mode=0o700)
    archive = SealedArchive(StorageProviderFactory.create(StorageConfig(provider="local_file", base_path=folder)))
    for _ in range(3):
        archive.append()
    return archive


def test_log_has_the_seals(site: Site, archive: SealedArchive) -> None:
    ended = _look(site, "--json")
    assert ended.code == 0, ended.err
    assert b'"seals":3' in ended.out
    archive.append()
    (site.folder / "witness-key.witness-state").unlink()
    assert _look(site).code == 0
    assert _look(site).code == 0

    seen = _history(site).seals[ARCHIVE]

    assert [(each.entry.number, each.entry.digest) for each in seen] == [
        (number, archive.seals.read(number).digest) for number in (2, 3)
    ]
    judgement = judge_chain(archive.seals, own_policy(ARCHIVER.public, source=SOURCE), histories=[_history(site)])
    assert judgement.findings == ()


def test_end_that_was_cut_off_stops_the_witness(site: Site, archive: SealedArchive) -> None:
    assert _look(site).code == 0
    archive.store.delete(seal_name(2))

    ended = _look(site)

    assert ended.code == 3
    assert "00000002.seal is not the seal that was seen" in " ".join(ended.err.split())
    judgement = judge_chain(archive.seals, own_policy(ARCHIVER.public, source=SOURCE), histories=[_history(site)])
    assert [str(finding.verdict) for finding in judgement.findings] == ["missing"]


def test_folder_that_is_not_there_is_named(site: Site, archive: SealedArchive) -> None:
    del archive

    ended = _look(site, archive=site.folder / "elsewhere")

    assert ended.code == 2
    assert "is not a folder" in " ".join(ended.err.split())


def _look(site: Site, *more: str, archive: Path | None = None) -> Ended:
    place = str(archive or site.folder / "archive")
    keys = "--public-key", site.keys.public_key, "--public-key", ARCHIVER.public_key
    return site.run_witness(site.folder / "rosters", *keys, "--archive", place, *more)


def _history(site: Site) -> RosterHistory:
    public = PublicKey.parse(SigningKey.load(site.folder / "witness-key", PASSPHRASE).public_key)
    with open_rosters((site.folder / "rosters").as_uri(), public) as rosters:
        return RosterHistory.read(rosters.documents(), public)
