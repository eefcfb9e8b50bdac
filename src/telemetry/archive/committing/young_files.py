"""Refuses to seal data files that a clean-up may be about to delete."""

from __future__ import annotations

from collections.abc import Iterable

from telemetry.exceptions import ArchiveStateError
from telemetry.format.archive.seal import SealedFile
from telemetry.format.uuid7 import created_at

MAX_AGE_SECONDS = 12 * 3_600.0
"""Clean-up deletes a file that no seal names once it is twice as old: a writer that slept must not seal it then."""

_UUID_CHARACTERS = 36


def require_young(files: Iterable[SealedFile], *, now: float) -> None:
    """Check that the data files of a commit were created a short time ago.

    Args:
        files: The files; the UUIDv7 in the name of each says when it was created.
        now: Seconds since the epoch.

    Raises:
        ArchiveStateError: One was not.
    """
    for file in files:
        created = created_at(file.name.rpartition("/")[2][:_UUID_CHARACTERS])
        if created is not None and now - created > MAX_AGE_SECONDS:
            message = (
                f"{file.name} was written more than {MAX_AGE_SECONDS / 3_600:g} hours ago and is not sealed, so that a "
                "clean-up may delete it: nothing was committed. Begin the commit again"
            )
            raise ArchiveStateError(message)
