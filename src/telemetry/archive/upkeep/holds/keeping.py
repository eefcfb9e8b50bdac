"""Writes legal holds and their releases beside the seals of an archive; nothing there is ever changed."""

from __future__ import annotations

from datetime import UTC, datetime

from telemetry.archive.upkeep.holds.hold import Hold, Release, sign_statement
from telemetry.archive.upkeep.holds.in_force import FOLDER, HOLD_SUFFIX, RELEASE_SUFFIX
from telemetry.exceptions import ConfigurationError, FormatError, Problem
from telemetry.format.proof.signed_note import Signer
from telemetry.storage import StorageProvider
from telemetry.system.clock import rfc3339


def put_hold(store: StorageProvider, hold: Hold, signer: Signer) -> None:
    """Put a hold into force.

    Args:
        store: The archive's store.
        hold: The hold.
        signer: Key with the role archiver or auditor.

    Raises:
        ConfigurationError: A part of the hold cannot be used.
        StorageError: The store refused or did not answer.
    """
    store.put(f"{FOLDER}{hold.id}{HOLD_SUFFIX}", _signed(hold, signer))


def put_release(store: StorageProvider, release: Release, signer: Signer) -> None:
    """End a hold, whatever is in its object.

    Args:
        store: The archive's store.
        release: The release.
        signer: Key with the role archiver or auditor.

    Raises:
        ConfigurationError: There is no such hold, or a part of the release cannot be used.
        StorageConflictError: The hold was released before.
        StorageError: The store refused or did not answer.
    """
    name = f"{FOLDER}{release.id}{HOLD_SUFFIX}"
    if not any(stored.name == name for stored in store.list(name)):
        problem = Problem("ID", "names no hold of this archive", "`telemetry archive hold --list` shows them")
        raise ConfigurationError(problem)
    store.put(f"{FOLDER}{release.id}{RELEASE_SUFFIX}", _signed(release, signer))


def now_text() -> str:
    """Return the present time as a statement has it."""
    return rfc3339(datetime.now(UTC))


def _signed(statement: Hold | Release, signer: Signer) -> bytes:
    try:
        return sign_statement(statement, signer)
    except FormatError as exc:
        raise ConfigurationError(Problem("", str(exc), "correct it, and run the command again")) from exc
