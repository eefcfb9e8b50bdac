"""Commits to an archive: the writer that creates the next seal has committed, and the Iceberg table follows."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

import uuid_utils

from telemetry.archive.committing.catching_up import catch_up, require_no_other_writer
from telemetry.archive.committing.young_files import require_young
from telemetry.archive.table.archive_table import ArchiveTable
from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import ArchiveConflictError, StorageConflictError
from telemetry.format.archive.live_files import LiveFiles
from telemetry.format.archive.seal import Commit, Seal, SealKind
from telemetry.format.archive.seal_note import encode_seal
from telemetry.format.archive.succession import ArchiveState, seal_after
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.seals.folding import fold
from telemetry.reader.seals.store import SealStore, StoredSeal
from telemetry.reader.trust import TrustPolicy
from telemetry.storage import StorageProvider
from telemetry.system.clock import rfc3339

logger = logging.getLogger("telemetry.archive")

KEYS = "evidence/keys/"

_BESIDE = frozenset({SealKind.COMPACT, SealKind.REDACT, SealKind.EXPIRE})
"""Commits that move no position: an append can follow them although it was prepared before."""
_MOST_FOLLOWED = 20


class ArchiveCommits:
    """The state of an archive, and the only way to change it. It is used by one thread.

    1. The caller has put its data files; no seal names them yet.
    2. :meth:`commit` creates the next seal. Of several writers one creates it, and only that one has committed.
    3. The table gets one snapshot. A writer that ends between 2 and 3 has committed all the same: the next one catches up.

    Args:
        store: The archive's store.
        table: The Iceberg table, which follows the seals.
        signer: The archiver's own key.
        source: CloudEvents source of the archiver, such as ``/production/telemetry-archiver``.
        policy: Who may have signed the seals that are continued; the archiver's key is among them.
    """

    def __init__(
        self, store: StorageProvider, *, table: ArchiveTable, signer: SigningKey, source: str, policy: TrustPolicy
    ) -> None:
        self.store = store
        self.table = table
        self.seals = SealStore(store)
        self.signer = signer
        self._source = source
        self.policy = policy
        self._state: ArchiveState | None = None

    @property
    def state(self) -> ArchiveState | None:
        """The archive after the last commit that this writer knows; None before the first one."""
        return self._state

    @property
    def next_number(self) -> int:
        """Number of the next seal."""
        return 0 if self._state is None else self._state.seal.number + 1

    def open(self) -> None:
        """Read where the archive is now, and have the table catch up; again after an ``ArchiveConflictError``.

        Raises:
            TamperedError: A seal is absent, was altered, or is signed by a key that may not sign it.
            ArchiveStateError: Another engine has changed the table.
            StorageError: The store refused or did not answer.
        """
        self.read()
        require_no_other_writer(self.table)
        catch_up(self.table, self.seals, self._state)

    def read(self) -> ArchiveState | None:
        """Read where the archive is now, and leave the table as it is.

        Raises:
            TamperedError: A seal is absent, was altered, or is signed by a key that may not sign it.
            StorageError: The store refused or did not answer.
        """
        self._state = fold(self.seals, policy=self.policy)
        return self._state

    def publish_key(self) -> None:
        """Put the signer's public key beside the seals: as material for auditors, who decide elsewhere whom they trust.

        Raises:
            StorageError: The store refused or did not answer.
        """
        text = self.signer.public_key
        name = f"{KEYS}{PublicKey.parse(text).key_id.hex()}.pub"
        try:
            self.store.put(name, f"{text}\n".encode())
        except StorageConflictError:
            logger.warning("%s has other content than the public key of this archiver; it is left as it is", name)

    def commit(self, commit: Commit) -> Seal:
        """Commit. The data files that it adds are in the store already.

        An append that meets a compaction, a redaction or an end of retention is numbered anew and follows it.

        Args:
            commit: What it does.

        Returns:
            The seal.

        Raises:
            ArchiveConflictError: Another writer has committed first. Nothing of this commit is part of the archive.
            ArchiveStateError: Another engine has changed the table, or a data file is too old; nothing was committed.
            FormatError: The commit cannot follow the state; nothing was committed.
            StorageError: The store refused or did not answer. The commit may have happened: :meth:`open` tells.
        """
        require_young(commit.added, now=time.time())
        require_no_other_writer(self.table)
        for _ in range(_MOST_FOLLOWED):
            try:
                stored = self._create(commit)
            except StorageConflictError as exc:
                self._follow(commit, exc)
                continue
            self._state = self._followed(stored)
            # From here on it is committed, whatever happens to the table.
            catch_up(self.table, self.seals, self._state)
            return stored.seal
        message = f"other writers have committed {_MOST_FOLLOWED} times while this commit was tried; try again"
        raise ArchiveConflictError(message)

    def adopt(self, commit: Commit) -> Seal:
        """Seal a snapshot that another engine wrote; the caller has looked at its rows, and brings the table to the seal.

        Args:
            commit: What the snapshot changes.

        Raises:
            ArchiveConflictError: Another writer has committed first.
            FormatError: It cannot follow the state.
            StorageError: The store refused or did not answer.
        """
        try:
            stored = self._create(commit)
        except StorageConflictError as exc:
            self._follow(commit, exc)
            raise
        self._state = self._followed(stored)
        return stored.seal

    def _create(self, commit: Commit) -> StoredSeal:
        now = rfc3339(datetime.now(UTC), timespec="milliseconds")
        archive = str(uuid_utils.uuid7())
        if self._state is not None:
            # The clock of the archiver before may have been ahead; times of seals never go back.
            now, archive = max(now, self._state.seal.time), self._state.seal.archive
        seal = seal_after(self._state, commit, time=now, source=self._source, archive=archive)
        return self.seals.create(seal.number, encode_seal(seal, self.signer))

    def _followed(self, stored: StoredSeal) -> ArchiveState:
        if self._state is not None:
            return self._state.after(stored.seal, stored.digest)
        return ArchiveState(stored.seal, stored.digest, LiveFiles().after(stored.seal))

    def _follow(self, commit: Commit, error: StorageConflictError) -> None:
        """Go on after the seal of another writer, if a commit still fits there."""
        number = self.next_number
        theirs = self.seals.read(number)
        if commit.kind is SealKind.APPEND and theirs.seal.kind in _BESIDE:
            self.read()
            return
        signers = ", ".join(line.label for line in theirs.note.signatures)
        message = (
            f"another writer has committed seal {number} ({theirs.seal.kind}) at {theirs.seal.time}, signed by {signers}: "
            "nothing of this commit is part of the archive. Run one archiver at a time"
        )
        raise ArchiveConflictError(message) from error
