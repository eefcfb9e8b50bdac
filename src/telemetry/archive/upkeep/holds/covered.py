"""Looks whether an archive has an event of a person, so that no hold is believed to cover what it does not."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pyarrow as pa
from pyarrow import compute

from telemetry.archive.files.data_file import open_data_file
from telemetry.archive.rows.columns import Kind
from telemetry.format.archive.seal import SealedFile
from telemetry.storage import StorageProvider

_arrow: Any = compute
"""Its functions are made at run time, so that no type checker knows them."""


def has_event_of(store: StorageProvider, files: Iterable[SealedFile], *, keyhashes: Collection[str]) -> bool:
    """Return whether one of the files has an event of a person; the newest file is read first.

    Args:
        store: The archive's store.
        files: The live files.
        keyhashes: Hashes of the person's Kafka keys.

    Raises:
        ArchiveError: A file cannot be read.
        StorageError: The store refused or did not answer.
    """
    wanted = pa.array(list(keyhashes), pa.string())
    for file in sorted(files, key=lambda each: each.day, reverse=True):
        with open_data_file(store, file.name, size=file.size) as data:
            for batch in data.batches(("kind", "keyhash")):
                is_event = _arrow.equal(batch.column("kind"), Kind.EVENT.value)
                if _arrow.any(_arrow.and_(is_event, _arrow.is_in(batch.column("keyhash"), wanted))).as_py():
                    return True
    return False
