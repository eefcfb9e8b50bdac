"""Archives a broker's classes, so that the brokers of the tests start in half the time.

Java maps an archive of classes that one broker used before it ended (class-data sharing, JEP 350), and ignores an
archive that another Java or other jars wrote.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.services import fetch
from tests.services.kafka import JAVA_OPTIONS, KafkaBroker, archive_file


def prepare_kafka() -> Path:
    """Fetch the jars and archive the classes of a broker; return the folder of the jars."""
    libs = fetch.kafka_libs()
    with fetch.locked("kafka-classes"):
        stamp = archive_file().with_suffix(".written-by")
        if not archive_file().exists() or not stamp.exists() or stamp.read_text() != _identity():
            _archive()
            stamp.write_text(_identity())
    return libs


def _archive() -> None:
    partial = archive_file().with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        with KafkaBroker(
            Path(folder), java_options=[f"-XX:ArchiveClassesAtExit={partial}"], is_archived=False
        ) as broker:
            broker.create_topic("archive")
        # Writing the archive is the last thing that Java does; one that could not be written only costs time.
        if partial.exists():
            shutil.move(partial, archive_file())


def _identity() -> str:
    version = subprocess.run([fetch.require_java(), "-version"], capture_output=True, text=True, check=False).stderr
    sums = (fetch.DEFINITIONS / "kafka" / "SHA256SUMS").read_text()
    return hashlib.sha256("\n".join([version, sums, *JAVA_OPTIONS]).encode()).hexdigest()
