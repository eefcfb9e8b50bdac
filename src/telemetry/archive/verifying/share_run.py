"""Verifies one share of an archive: its rows become records, and a stock verifier observes them."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from telemetry.archive.rows.columns import SCHEMA
from telemetry.archive.rows.records import RECORD_COLUMNS, ArchivedRecord, records_of
from telemetry.archive.verifying.by_place import in_order_of_places
from telemetry.archive.verifying.leaf_rows import LEAF_COLUMNS, LeafRows
from telemetry.archive.verifying.share import Share, ShareResult
from telemetry.archive.verifying.share_rows import BATCH_ROWS, RowCount, ShareRows
from telemetry.reader.verify.shared.share_verifier import ShareVerifier
from telemetry.storage import StorageProvider


def verify_share(store: StorageProvider, share: Share, *, count: RowCount) -> ShareResult:
    """Verify a share.

    Args:
        store: The archive's store.
        share: What is verified.
        count: Counts the rows that were read.

    Raises:
        StorageError: The store refused or did not answer.
    """
    verifier = ShareVerifier(
        share.policy,
        producers=share.producers,
        is_in_order_of_places=share.is_in_order_of_places,
        witnessed=share.witnessed,
        collects_trees=share.collects_trees,
    )
    rows = ShareRows(store, share, columns=LEAF_COLUMNS if share.is_leaves_only else RECORD_COLUMNS, count=count)
    if share.is_leaves_only:
        leaves = LeafRows(verifier, name=share.name)
        for _, batch in rows:
            leaves.observe(batch)
    elif share.is_in_order_of_places:
        verifier.observe_all(_records_by_place(rows, share))
    else:
        for each, batch in rows:
            records = records_of(batch, store_name=share.name, file=each.live.file.name)
            for record, producer in zip(records, batch.column("producer").to_pylist(), strict=True):
                verifier.observe_row(record, producer)
    return ShareResult(
        part=verifier.part(),
        strays=tuple(verifier.strays),
        has_too_many_strays=verifier.has_too_many_strays,
        displaced=verifier.displaced,
        has_too_many_displaced=verifier.has_too_many_displaced,
        disordered=verifier.disordered(),
        findings=tuple(rows.findings),
        trees=verifier.trees,
        rosters=frozenset(verifier.rosters),
        signings=verifier.signings,
    )


def _records_by_place(rows: ShareRows, share: Share) -> Iterator[ArchivedRecord]:
    schema = pa.schema([SCHEMA.field(name) for name in RECORD_COLUMNS])
    batches = (batch for _, batch in rows)
    for batch in in_order_of_places(batches, schema=schema, rows=BATCH_ROWS):
        yield from records_of(batch, store_name=share.name)
