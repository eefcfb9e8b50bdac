"""Gives upkeep the archive as its believed seals describe it, and commits what was rewritten."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from telemetry.archive.committing.commits import ArchiveCommits
from telemetry.archive.committing.opening import archiver_policy, archiver_source, open_commits
from telemetry.archive.upkeep.holds.in_force import Holds
from telemetry.config import ArchiveConfig, TelemetryConfig
from telemetry.exceptions import ArchiveConflictError, ArchiveError
from telemetry.format.archive.seal import Commit, Seal
from telemetry.format.archive.succession import ArchiveState
from telemetry.reader.trust import TrustPolicy
from telemetry.storage import StorageProvider

logger = logging.getLogger("telemetry.archive")

_ATTEMPTS = 50


class InputsReplacedError(ArchiveConflictError):
    """Another process has replaced a file that was rewritten; its outcome cannot be sealed any more."""


class OpenArchive(NamedTuple):
    """An archive that is open for upkeep.

    Attributes:
        commits: The commit protocol; what is live is what seals of trusted keys say.
        trust: Who may sign seals and holds.
        source: CloudEvents source of the archiver.
        settings: Settings of the archive.
    """

    commits: ArchiveCommits
    trust: TrustPolicy
    source: str
    settings: ArchiveConfig

    @property
    def store(self) -> StorageProvider:
        """The archive's store."""
        return self.commits.store

    def state(self) -> ArchiveState:
        """Return the last seal and the live files as they are now.

        What is live is rewritten and signed anew, and all else is deleted: a forged seal must not decide that.

        Raises:
            TamperedError: A seal is not believed.
            ArchiveStateError: Another engine has changed the table.
            ArchiveError: There is no seal.
        """
        self.commits.open()
        state = self.commits.state
        if state is None:
            message = "there is no archive here: nothing was ever sealed. Run `telemetry archive --once` first"
            raise ArchiveError(message)
        return state

    def holds(self) -> Holds:
        """Return the legal holds that are in force.

        Raises:
            VerificationError: A hold is not believed.
        """
        archive = self.state().seal.archive
        return Holds.load(self.store, trust=self.trust.afresh(), source=self.source, archive=archive)

    def commit(self, commit: Commit) -> Seal:
        """Seal what was rewritten; commits of others may come first, as long as they leave the inputs alone.

        Args:
            commit: The files that replace others.

        Raises:
            InputsReplacedError: An input is not live any more; nothing was committed.
            ArchiveError: Nothing was committed.
            StorageError: The store refused or did not answer; the commit may have happened.
        """
        for _ in range(_ATTEMPTS):
            try:
                return self.commits.commit(commit)
            except ArchiveConflictError:
                logger.info("another process has committed to the archive meanwhile; sealing again on top of it")
            # Outside the except clause: the conflict is settled, and is no cause of what follows.
            live = self.state().live
            if any(name not in live for name in commit.removed):
                message = (
                    "another process has replaced files that were rewritten here; nothing was changed, run it again"
                )
                raise InputsReplacedError(message)
        message = f"other processes have committed {_ATTEMPTS} times meanwhile; nothing was changed, run it again"
        raise ArchiveConflictError(message)


@contextmanager
def open_for_upkeep(config: TelemetryConfig, uri: str | None = None) -> Iterator[OpenArchive]:
    """Open an archive for upkeep.

    Args:
        config: The configuration, with the archiver's signing key.
        uri: Place of the archive; None for that of the configuration.

    Raises:
        ConfigurationError: The archive, its key or the trust file cannot be used.
        ArchiveError: The archive cannot be used.
    """
    with open_commits(config, uri) as commits:
        source = archiver_source(config)
        trust = archiver_policy(config, commits.signer, source)
        yield OpenArchive(commits, trust, source, config.archive_config or ArchiveConfig())
