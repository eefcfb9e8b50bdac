"""Defines a request to redact events, and which rows it concerns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyarrow import compute

from telemetry.archive.rows.columns import Kind

_arrow: Any = compute
"""Its functions are made at run time, so that no type checker knows them."""

WANTED_COLUMNS = ("kind", "keyhash", "id", "redacted")
"""Columns that say whether a row is concerned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionRequest:
    """Events whose values shall be removed.

    Attributes:
        request: Name of the request, such as the number of a ticket.
        reason: Why.
        by: Person who redacts.
        keyhashes: Hashes of the Kafka keys of a person; empty if the ids alone say which events.
        ids: Ids of the events; empty for all events of the person.
        at: When it is done.
    """

    request: str
    reason: str
    by: str
    keyhashes: tuple[str, ...]
    ids: tuple[str, ...]
    at: datetime

    def wanted(self, rows: pa.Table | pa.RecordBatch) -> pa.BooleanArray:
        """Return which rows are concerned: events of the person, of these ids, that were not redacted before.

        Args:
            rows: Rows with ``WANTED_COLUMNS``.
        """
        mask = _arrow.and_(_arrow.equal(rows.column("kind"), Kind.EVENT.value), _arrow.is_null(rows.column("redacted")))
        if self.keyhashes:
            mask = _arrow.and_(mask, _arrow.is_in(rows.column("keyhash"), pa.array(self.keyhashes, pa.string())))
        if self.ids:
            mask = _arrow.and_(mask, _arrow.is_in(rows.column("id"), pa.array(self.ids, pa.string())))
        return _arrow.fill_null(mask, False)  # noqa: FBT003 - an argument of Arrow
