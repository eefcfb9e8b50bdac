"""Names the trail that jobs read: topic and fallback store of a configuration, or a copy in a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry.config import TelemetryConfig
from telemetry.reader.trust import TrustPolicy
from telemetry.reader.verify.state import VerifierState
from telemetry.reader.verify.verdicts import VerificationReport
from telemetry.reader.verify.verifier import Verifier
from telemetry.trail.copied import CopiedTrail
from telemetry.trail.progress import ProgressDisplay
from telemetry.trail.verifying import read_into

if TYPE_CHECKING:
    from telemetry.archive.reading.trail_place import ArchivePlace


@dataclass(frozen=True, slots=True)
class WhatWasRead:
    """What a verification has read.

    Attributes:
        scope: Places and ranges, by name.
        notes: What the copy does not say, or says in a way that contradicts itself.
    """

    scope: dict[str, str]
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class TrailSource:
    """The trail that an explorer shows.

    Attributes:
        config: Configuration of topic and store.
        file: A copy that is read instead.
        archive: An archive that is read instead.
    """

    config: TelemetryConfig
    file: Path | None = None
    archive: ArchivePlace | None = None

    @property
    def is_file(self) -> bool:
        """Whether it is a copy in a file."""
        return self.file is not None

    def verify_archive(
        self, policy: TrustPolicy, *, open_seconds: float, now: datetime, progress: ProgressDisplay
    ) -> tuple[VerificationReport, WhatWasRead] | None:
        """Verify the archive with its seals; return None if the trail is read from elsewhere.

        Args:
            policy: Who may sign what.
            open_seconds: A producer whose last checkpoint is at most this old is treated as still running.
            now: When the reading began.
            progress: Shows how far it is.

        Raises:
            TamperedError: A seal that says which files are live is absent or not believed.
            StorageError: The store cannot be read.
        """
        if self.archive is None:
            return None
        # An explorer of a topic does not load what reads archives.
        from telemetry.archive.verifying.verification import ArchiveRequest, verify_archive  # noqa: PLC0415

        asked = ArchiveRequest(policy=policy, open_seconds=open_seconds, jobs=1)
        report = verify_archive(self.archive.storage, asked, now=now, progress=progress)
        return report, WhatWasRead({"archive": self.archive.reader.name, "seal": str(self.archive.reader.number)})

    def read_into(self, verifier: Verifier, *, after: VerifierState | None, progress: ProgressDisplay) -> WhatWasRead:
        """Give every record to a verifier.

        Args:
            verifier: Gets the records.
            after: Where an earlier run ended; None for the beginning.
            progress: Shows how far it is.

        Raises:
            TransportError: The topic cannot be read.
            StorageError: The store or the file cannot be read.
        """
        if self.file is not None:
            copied = CopiedTrail(self.file)
            return WhatWasRead(copied.read(verifier, self.config, progress=progress), copied.notes())
        topic = self.config.audit_config.kafka_topic
        starts = after.positions.get(topic) if after is not None else None
        return WhatWasRead(read_into(verifier, self.config, starts=starts, progress=progress))
