"""A real Spark archives, verifies, compacts and opens what a real Kafka has, in the table of `telemetry archive`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from telemetry.encryption.signing_key import SigningKey
from tests.services import fetch
from tests.services.kafka import KafkaBroker
from tests.support.evidence_site import PASSPHRASE, EvidenceSite

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(3_000),
    pytest.mark.skipif(os.environ.get("SPARK") != "1", reason="a gigabyte and minutes: make spark"),
]

ROOT = Path(__file__).parents[2]
EVENTS = 20_000
_PATIENCE = 1_200.0


class SparkSite:
    """A trail of a real broker, an archive in a folder, and the programs of `examples/spark`.

    Args:
        kafka: The broker.
        folder: Folder for keys, configuration and archive.
        topic: The topic.
    """

    def __init__(self, kafka: KafkaBroker, folder: Path, topic: str) -> None:
        self.brokers, self.topic, self.folder = kafka.bootstrap("PLAINTEXT"), topic, folder
        self.archive = folder / "archive"
        self.site = EvidenceSite(self.brokers, folder, topic=topic, events=EVENTS)
        archiver = SigningKey.create(folder / "archiver", PASSPHRASE, name="archiver")
        self.file = folder / "telemetry.toml"
        with self.file.open("a") as file:
            file.write(
                f"""
[archive_config]
location = "{self.archive}"
[archive_config.signing_config]
key_path = "{folder / "archiver"}"
passphrase = "{PASSPHRASE}"
"""
            )
        with self.site.trust.open("a") as file:
            file.write(f'\n[[key]]\npublic = "{archiver.public_key}"\nroles = ["archiver"]\n')

    def telemetry(self, *arguments: str) -> str:
        """Run the command and return what it printed."""
        return self._run([sys.executable, "-m", "telemetry", *arguments], {})

    def spark(self, program: str, *arguments: str) -> str:
        """Run a program of the examples in local mode and return what it printed."""
        jars = ",".join(str(jar) for jar in sorted(fetch.spark_jars().glob("*.jar")))
        local = {
            "spark.ui.enabled": "false",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.sql.shuffle.partitions": "4",
            "spark.log.level": "ERROR",
        }
        options = " ".join(f"--conf {name}={value}" for name, value in local.items())
        variables = {
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_SUBMIT_ARGS": f"--master local[2] --driver-memory 1g {options} --jars {jars} pyspark-shell",
            "SPARK_LOCAL_DIRS": str(self.folder / "spark"),
            "ARCHIVE_CATALOG_URI": f"jdbc:sqlite:{self.archive / 'catalog.db'}",
            "ARCHIVE_WAREHOUSE": self.archive.as_uri(),
        }
        return self._run([sys.executable, str(ROOT / "examples" / "spark" / program), *arguments], variables)

    def rows(self) -> int:
        """Return the number of rows, and check that no place is there twice, as PyIceberg reads them."""
        catalog = SqlCatalog(
            "telemetry", uri=f"sqlite:///{self.archive / 'catalog.db'}", warehouse=self.archive.as_uri()
        )
        table = catalog.load_table("audit.events").scan(selected_fields=("topic", "partition", "offset")).to_arrow()
        places = {tuple(row.values()) for row in table.to_pylist()}
        assert len(places) == len(table)
        return len(table)

    def _run(self, command: list[str], variables: dict[str, str]) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-4_000:]
        sys.stdout.write(f"{Path(command[1]).name} {' '.join(command[2:4])}\n{done.stdout}")
        return done.stdout


def test_spark_and_the_archiver_share_one_table(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    site = SparkSite(kafka, tmp_path, topic)
    configuration, trust = str(site.file), str(site.site.trust)
    # The archiver makes the table, and has the first part of the trail.
    site.telemetry("archive", "-c", configuration, "--once")
    site.site.log(EVENTS // 4, first=EVENTS)
    more = EVENTS // 4

    archived = site.spark("archive_job.py", site.brokers, topic, "4000")
    assert archived.count("archived") >= 1
    rows = site.rows()
    assert rows > EVENTS + more
    assert site.spark("archive_job.py", site.brokers, topic, "4000").count("archived") == 0
    assert f"events {EVENTS + more} proven {EVENTS + more} ended 0 findings 0" in site.spark("verify_job.py", trust)

    site.telemetry("archive", "seal", "-c", configuration)
    assert "rewrote" in site.spark("compact_job.py")
    site.telemetry("archive", "seal", "-c", configuration)
    assert site.rows() == rows
    assert f"events {EVENTS + more} proven {EVENTS + more} ended 0 findings 0" in site.spark("verify_job.py", trust)
    report = json.loads(site.telemetry("verify", "-c", configuration, "--from", "archive", "--trust", trust, "--json"))
    assert report["exit_code"] == 0

    opened = site.spark("open_job.py", configuration, "a test of Spark")
    assert "order_changed" in opened
    site.spark("ocsf_job.py", configuration, str(tmp_path / "lake"), "6003")
    lake = list((tmp_path / "lake" / "ext" / "telemetry-6003").rglob("*.parquet"))
    assert sum(pq.ParquetFile(file).metadata.num_rows for file in lake) == EVENTS + more
    # The archiver goes on where Spark has ended.
    site.site.log(100, first=EVENTS + more)
    site.telemetry("archive", "-c", configuration, "--once")
    assert site.rows() > rows
