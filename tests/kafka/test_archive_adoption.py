"""What another engine writes to the table stops the archiver, until it is looked at: adopted, refused, or left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog.sql import SqlCatalog

from tests.services.kafka import KafkaBroker
from tests.support.archive_site import TABLE, ArchiveSite

pytestmark = [
    pytest.mark.services,
    # PyIceberg writes no Bloom filters, and says so.
    pytest.mark.filterwarnings("ignore:Parquet writer option"),
]


@pytest.fixture
def site(kafka: KafkaBroker, topic: str, tmp_path: Path) -> ArchiveSite:
    site = ArchiveSite(kafka, topic, tmp_path, settings="commit_rows = 150")
    site.log(400)
    site.run("--once")
    return site


def engine(site: ArchiveSite) -> Any:
    """Return the table as another engine opens it, with its own means."""
    return SqlCatalog("telemetry", uri=f"sqlite:///{site.catalog}").load_table(TABLE)


def test_rewritten_files_are_adopted(site: ArchiveSite) -> None:
    table = engine(site)
    before = site.state()
    table.overwrite(table.scan().to_arrow())

    site.log(100)
    assert "have `telemetry archive seal` adopt them" in " ".join(site.run("--once", code=6).split())
    status = json.loads(site.run("status", "--json").splitlines()[0])
    assert status["table"]["foreign"] > 0
    done = json.loads(site.run("seal", "--json").splitlines()[0])

    assert done["adopted"]
    assert site.state().seal.kind == "adopt"
    assert site.state().seal.rows == before.seal.rows
    assert not set(site.state().live) & set(before.live)
    site.run("--once")
    site.check(is_rewritten=True)


@pytest.mark.parametrize("change", ["append", "delete"])
def test_rows_twice_or_gone_are_refused(site: ArchiveSite, change: str) -> None:
    table = engine(site)
    if change == "append":
        table.append(table.scan(limit=20).to_arrow())
    else:
        table.delete("partition == 0")

    assert "is not adopted" in site.run("seal", code=6)
    assert "was made anew" in site.run("seal", "--rebuild")
    site.log(100)
    site.run("--once")
    site.check()


def test_catalog_that_was_lost(site: ArchiveSite) -> None:
    site.catalog.unlink()
    status = json.loads(site.run("status", "--json").splitlines()[0])
    assert status["table"]["number"] is None

    site.run("seal")

    site.check()
    assert json.loads(site.run("status", "--json").splitlines()[0])["table"]["text"] == f"at seal {status['number']}"
    assert "agree" in site.run("seal")
