"""Writes the genuine trail among which hostile input is thrown, and says whether all of it came out."""

from __future__ import annotations

import functools
import json
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from pydantic import SecretStr

from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.format.value.message import source_of
from telemetry.reader import Entry, OpenedEvent, Place, Proven, RawRecord, RecordOpener
from telemetry.reader.trust import TrustPolicy, parse_trust_file
from telemetry.reader.verify.verdicts import VerificationReport
from telemetry.types import EncryptionConfig
from tests.attacks.forge import TOPIC, SealingKey, Writer
from tests.support.written_trail import Signer

PASSPHRASE = "correct horse battery staple"
LATER = datetime(2026, 3, 1, tzinfo=UTC)
_CLOCK = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Trail:
    """Two processes of one service: the checkpoints of one bring their leaves along, the other is of the format before.

    Args:
        folder: Receives the key file.

    Attributes:
        key: Data key of both.
        signer: Signs their checkpoints.
        events: Records of the events.
        checkpoints: Records of the checkpoints.
        records: All records in their order.
        plaintexts: What is sealed in each event, by the record's value.
    """

    def __init__(self, folder: Path) -> None:
        self.encryption = EncryptionConfig(
            provider="local_key", key_path=folder / "kek", passphrase=SecretStr(PASSPHRASE)
        )
        self.provider: EncryptionProvider = EncryptionProviderFactory.create(self.encryption)
        self.provider.check()
        self.signer = Signer()
        self.key = SealingKey(self.provider, source_of("production", "payments"))
        written: dict[str, Any] = {"key": self.key, "signer": self.signer, "clock": _CLOCK}
        writers = [
            # The last digits of the id of an event are its sequence.
            Writer(producer=f"0198c0de-000{number}-7000-8000-000000000000", topic=topic, **written)
            for number, topic in ((1, TOPIC), (2, None))
        ]
        runs = [writer.run(events, every=4) for writer, events in zip(writers, (10, 8), strict=True)]
        self.counts = {writer.producer: writer.sequence for writer in writers}
        self.records = [record for pair in zip(*runs, strict=False) for record in pair]
        self.records += [record for run in runs for record in run[min(map(len, runs)) :]]
        self.events = [record for record in self.records if record.key not in map(str.encode, self.counts)]
        self.checkpoints = [record for record in self.records if record not in self.events]
        self.plaintexts = dict(self._opened())

    @property
    def trust_file(self) -> bytes:
        """A trust file that admits the service's key."""
        key = f'public = "{self.signer.public_key}"\nroles = ["service"]\nsources = ["/production/payments"]\n'
        return f'version = 1\n[[key]]\n{key}topics = ["{TOPIC}"]\n'.encode()

    def policy(self, kind: str) -> TrustPolicy:
        """Return a new policy that admits the service's key: of the ``file``, or of the ``key`` alone."""
        return parse_trust_file(self.trust_file) if kind == "file" else TrustPolicy.of_keys([self.signer.public])

    def id_of(self, record: RawRecord) -> str:
        """Return the id of an event."""
        return str(json.loads(record.value or b"")["id"])

    def place_of(self, record: RawRecord) -> tuple[str, int]:
        """Return producer and sequence of an event."""
        members = json.loads(record.value or b"")
        return str(members["producer"]), int(members["sequence"])

    def require_shown(self, entries: Iterable[Entry]) -> None:
        """Fail unless each event is among the entries once and proven, and nothing else is said to be proven."""
        shown = [entry for entry in entries if isinstance(entry, OpenedEvent)]
        proven = Counter(entry.raw.value for entry in shown if entry.proven is Proven.YES)
        assert proven == Counter(record.value for record in self.events)
        every = Counter(entry.raw.value for entry in shown)
        assert all(every[record.value] == 1 for record in self.events)

    def require_verified(self, report: VerificationReport) -> None:
        """Fail unless each event is proven, and the report can be shown."""
        for producer, count in self.counts.items():
            assert report.producer(producer).proven == count
        assert json.dumps(report.to_dict(), allow_nan=False)

    def _opened(self) -> Iterator[tuple[bytes, bytes]]:
        opener = RecordOpener(self.provider)
        for record in self.events:
            entry = opener.open(record)
            assert isinstance(entry, OpenedEvent)
            yield record.value or b"", msgspec.json.encode(entry.event)


@functools.cache
def trail() -> Trail:
    """Return the trail of this test run: a key of a passphrase is slow to derive."""
    return Trail(Path(_FOLDER.name))


_FOLDER = tempfile.TemporaryDirectory(prefix="telemetry-hostile-")


def placed(records: Iterable[RawRecord]) -> list[RawRecord]:
    """Return the records as one partition has them."""
    return [record._replace(place=Place(TOPIC, 0, offset)) for offset, record in enumerate(records)]


@contextmanager
def bounded(most: int = 24 << 20) -> Iterator[None]:
    """Fail if the code inside needs more memory at one time than so many bytes."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most, f"{peak:,} bytes were needed"


@contextmanager
def folder() -> Iterator[Path]:
    """Yield an empty folder for one example."""
    with tempfile.TemporaryDirectory(prefix="telemetry-hostile-") as path:
        yield Path(path)
