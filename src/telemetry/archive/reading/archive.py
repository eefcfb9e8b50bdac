"""Opens an archive for reading: its store, its newest seal, and the files that are live by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from telemetry.archive.reading.days import DayRange
from telemetry.archive.reading.place import OPTION, archive_name, archive_store_config, open_archive_store
from telemetry.config import TelemetryConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.archive.live_files import LiveFiles
from telemetry.format.archive.seal import Seal, SealedFile
from telemetry.format.archive.succession import ArchiveState
from telemetry.reader.seals.folding import fold
from telemetry.reader.seals.store import SealStore, StoredSeal
from telemetry.reader.seals.trust import SealTrust
from telemetry.reader.trust import Role, TrustPolicy
from telemetry.storage import StorageProvider


class ArchiveReader:
    """An archive that is read; it is never changed.

    With trusted archivers each seal that says which files are live must be signed by one of them. The seals before the last
    list of live files are not looked at: ``telemetry verify --from archive`` does that.

    Args:
        store: Store of the archive.
        name: What it is called in messages.
        trust: Who may sign what; None to believe the seals that are there.

    Attributes:
        store: Store of the archive.
        name: What it is called in messages.
        is_judged: Whether the seals are judged: somebody is trusted to sign them.

    Raises:
        ConfigurationError: The place has no seal, so it is no archive.
        TamperedError: A seal is missing, does not follow the one before, or is not believed.
        FormatError: A seal cannot be read.
        StorageError: The store refused or did not answer.
    """

    def __init__(self, store: StorageProvider, *, name: str, trust: TrustPolicy | None = None) -> None:
        self.store = store
        self.name = name
        self._seals = SealStore(store)
        self.is_judged = trust is not None and _can_judge(trust, self._seals)
        self._trust = trust if self.is_judged else None
        self._state = self._fold()

    @classmethod
    @contextmanager
    def open(
        cls, config: TelemetryConfig, uri: str | None = None, *, trust: TrustPolicy | None = None
    ) -> Iterator[ArchiveReader]:
        """Yield the archive at a place.

        Args:
            config: Configuration of the trail.
            uri: A folder or URI; None for the archive of the configuration.
            trust: Who may sign what; None to believe the seals that are there.

        Raises:
            ConfigurationError: There is no archive, or the store cannot be used; other errors as for the class.
        """
        storage = archive_store_config(uri, config)
        with open_archive_store(storage) as store:
            yield cls(store, name=archive_name(storage), trust=trust)

    @property
    def seals(self) -> SealStore:
        """The seals."""
        return self._seals

    @property
    def number(self) -> int:
        """Number of the newest seal that was read."""
        return self._state.seal.number

    @property
    def last_seal(self) -> Seal:
        """The newest seal that was read."""
        return self._state.seal

    @property
    def digest(self) -> str:
        """SHA-256 of that seal, in hexadecimal: with it others can check that they read the same archive."""
        return self._state.digest

    @property
    def live(self) -> LiveFiles:
        """The files that are live by that seal."""
        return self._state.live

    def live_files(self, *, days: DayRange | None = None) -> list[SealedFile]:
        """Return the live files of some days, in the order of day and name.

        Args:
            days: The days; None for all.
        """
        return [file for file in self.live.files() if days is None or days.has(file.day)]

    def refresh(self) -> list[StoredSeal]:
        """Read the seals that were written meanwhile; return them, in order."""
        before = self.number
        self._state = self._fold()
        return [self._seals.read(number) for number in range(before + 1, self.number + 1)]

    def describe(self) -> dict[str, object]:
        """Return what is read, for the event that records the read."""
        return {"kind": "archive", "archive": self.name, "seal": self.number, "digest": self.digest}

    def _fold(self) -> ArchiveState:
        state = fold(self._seals, policy=self._trust)
        if state is None:
            reason = f"{self.name} has no seal, so it is no archive, or a part of it was not copied"
            raise ConfigurationError(Problem(OPTION, reason, "name the place that `telemetry archive` writes to"))
        return state


def _can_judge(policy: TrustPolicy, seals: SealStore) -> bool:
    """Return whether somebody is trusted to sign seals: an archiver, or a bare key that has signed the newest one."""
    if any(Role.ARCHIVER in key.roles for key in policy.keys):
        return True
    # Keys without roles may be those of services alone: then nobody knows whose key the archiver's is.
    last = seals.last_number() if policy.binds_first_source else None
    return last is not None and SealTrust(policy).judge(seals.read(last)).is_believed
