"""Keeps the Iceberg table of an archive in step with its seals, so that any engine can query it.

A commit counts when its seal exists; the table follows. It holds nothing that the seals do not say, and can be made
again from them.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError, TableAlreadyExistsError
from pyiceberg.expressions import In
from pyiceberg.manifest import DataFile
from pyiceberg.serializers import ToOutputFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update.snapshot import UpdateSnapshot
from sqlalchemy.exc import IntegrityError

from telemetry.archive.rows.columns import COLUMNS
from telemetry.archive.table.catalogs import open_catalog, translated
from telemetry.archive.table.entries import entries_of
from telemetry.archive.table.file_io import StoreFileIO, known_store
from telemetry.archive.table.forgetting import files_of, forget, older, superfluous
from telemetry.archive.table.layout import (
    FORMAT_VERSION,
    NAMESPACE,
    REQUIRED,
    TABLE,
    TABLE_FOLDER,
    new_metadata,
    table_schema,
)
from telemetry.archive.table.locations import Locations
from telemetry.archive.table.snapshots import (
    ADOPTED_PROPERTY,
    ARCHIVE_PROPERTY,
    OFFSETS_PROPERTY,
    SEAL_PROPERTY,
    ForeignSnapshot,
    foreign_ids,
    foreign_snapshots,
    sealed_snapshot,
)
from telemetry.exceptions import ArchiveError, ArchiveStateError
from telemetry.format.archive.seal import Positions, Seal, SealedFile, SealKind
from telemetry.storage import StorageProvider

logger = logging.getLogger("telemetry.archive")

_in: Any = In  # its types are those of a model of pydantic, its arguments are not
_REBUILD = "run telemetry archive seal, which makes the table again from the seals"


class ArchiveTable:
    """The Iceberg table ``audit.events`` of an archive. Use :meth:`open`.

    Args:
        store: The archive's store.
        catalog: The catalog that knows the table.
        resources: What is closed with it.
    """

    def __init__(self, store: StorageProvider, *, catalog: Catalog, resources: ExitStack) -> None:
        self._store = store
        self._catalog = catalog
        self._resources = resources
        self._locations = Locations(store)
        self._table = self._load()

    @classmethod
    def open(
        cls,
        store: StorageProvider,
        *,
        catalog: Mapping[str, str] | None = None,
        catalog_path: Path | None = None,
    ) -> Self:
        """Open the table; it is created if the catalog has none.

        Args:
            store: The archive's store.
            catalog: Properties of a catalog of PyIceberg; None for a SQLite file.
            catalog_path: The SQLite file; None for ``catalog.db`` in the archive's folder.

        Raises:
            ConfigurationError: No catalog is named, and the archive is not in a folder.
            ArchiveStateError: The table is of another place, or has other columns.
            ArchiveError: The catalog cannot be reached, or refuses.
            StorageError: The store refuses, or did not answer.
        """
        with ExitStack() as stack:
            properties = stack.enter_context(known_store(store))
            opened = open_catalog(store, properties, catalog=catalog, catalog_path=catalog_path)
            stack.callback(opened.close)
            table = cls(store, catalog=opened, resources=stack.pop_all())
        try:
            table.check_properties()
        except BaseException:
            table.close()
            raise
        return table

    def sealed_number(self) -> int:
        """Return the number of the seal that the table was brought to; -1 before the first."""
        self._refresh()
        return sealed_snapshot(self._table)[0]

    def foreign_snapshots(self) -> list[ForeignSnapshot]:
        """Return what other writers did to the table and no seal has adopted, oldest first.

        Raises:
            ArchiveStateError: A file is outside of the archive.
        """
        self._refresh()
        with translated("reading the snapshots of the archive's table"):
            return foreign_snapshots(self._table, self._locations)

    def file_names(self) -> set[str]:
        """Return the names of the data files that the table has now."""
        self._refresh()
        with translated("reading the files of the archive's table"):
            return {self._locations.name_of(task.file.file_path) for task in self._table.scan().plan_files()}

    def register(self, seal: Seal) -> None:
        """Bring the table to a seal: one snapshot that adds and removes the files of its commit.

        Registering a seal again does nothing. One of kind ``adopt`` marks the snapshot that it names, the first one that no
        seal has; the table has its changes already.

        Args:
            seal: The one after :meth:`sealed_number`.

        Raises:
            ArchiveStateError: The table is not at the seal before, lacks a file that is to be removed, or was changed by another
                program.
            ArchiveFileError: A file is not what the seal says.
            ArchiveConflictError: Another writer changed the table at the same time, and it is not at this seal.
            ArchiveError: The catalog cannot be reached, or refuses.
        """
        self._refresh()
        number, archive = sealed_snapshot(self._table)
        if archive and archive != seal.archive:
            message = f"the table is one of the archive {archive}, and the seal is one of {seal.archive}; {_REBUILD}"
            raise ArchiveStateError(message)
        if number >= seal.number:
            return
        if number != seal.number - 1:
            message = f"the table is at seal {number}, so that seal {seal.number} cannot be registered; {_REBUILD}"
            raise ArchiveStateError(message)
        foreign = foreign_ids(self._table)
        if seal.kind == SealKind.ADOPT:
            if seal.snapshot not in foreign[:1]:
                message = f"seal {seal.number} adopts another snapshot than the first one that no seal has; {_REBUILD}"
                raise ArchiveStateError(message)
            self._commit([], [], seal=seal)
            return
        if foreign:
            message = (
                f"another program has changed the archive's table: {len(foreign)} snapshots that no seal has adopted; "
                "run telemetry archive seal, which looks at them and seals them"
            )
            raise ArchiveStateError(message)
        self._commit(entries_of(self._store, self._table, seal.added), self._entries_to_remove(seal), seal=seal)

    def rebuild(self, live: Iterable[SealedFile], *, seal: Seal) -> None:
        """Make the table again: one snapshot with the files that are live after a seal. Its history is lost.

        Args:
            live: The live files.
            seal: The seal after which they are live.

        Raises:
            ArchiveConflictError: Another writer changed the table at the same time.
            ArchiveError: The catalog cannot be reached, or refuses.
        """
        with translated("making the archive's table again"):
            self._catalog.drop_table(TABLE)
            self._table = self._create()
        self._commit(entries_of(self._store, self._table, live), [], seal=seal)

    def check_properties(self) -> None:
        """Set the properties that keep writers from doing harm, where another engine has changed them.

        Raises:
            ArchiveConflictError: Another writer changed the table at the same time.
        """
        found = self._table.metadata.properties
        wrong = {name: value for name, value in REQUIRED.items() if found.get(name) != value}
        if not wrong:
            return
        logger.warning("the archive's table had other properties, which are set again: %s", ", ".join(sorted(wrong)))
        with translated("setting properties of the archive's table"), self._table.transaction() as transaction:
            transaction.set_properties(wrong)

    def expire_snapshots(self, *, older_than: datetime) -> int:
        """Forget old snapshots and delete their metadata, so that it stays small; data files are not touched.

        Args:
            older_than: Snapshots before this moment are forgotten, but for those that are still needed.

        Returns:
            How many were forgotten.

        Raises:
            ArchiveConflictError: Another writer changed the table at the same time.
            ArchiveError: The catalog cannot be reached, or refuses.
        """
        self._refresh()
        return self._forget(older(self._table, older_than))

    def close(self) -> None:
        """Leave the catalog; the store is closed by its owner."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _load(self) -> Table:
        with translated("loading the archive's table"):
            with suppress(IntegrityError):  # another process creates it at this moment
                self._catalog.create_namespace_if_not_exists(NAMESPACE)
            try:
                table = self._catalog.load_table(TABLE)
            except NoSuchTableError:
                table = self._create()
        location = self._locations.uri_of(TABLE_FOLDER)
        if not isinstance(table.io, StoreFileIO) or table.metadata.location.rstrip("/") != location:
            message = (
                f"the catalog has the table of {table.metadata.location!r}, and the archive is at {self._locations.root!r}: "
                "give this archive a catalog of its own (archive_config.catalog_path)"
            )
            raise ArchiveStateError(message)
        self._require_columns(table)
        return table

    def _create(self) -> Table:
        """Create the table; load it if another process was faster."""
        location = self._locations.uri_of(f"{TABLE_FOLDER}/metadata/00000-{uuid.uuid4()}.metadata.json")
        io = self._catalog._load_file_io()  # noqa: SLF001 - creating a table gives the columns other field ids
        ToOutputFile.table_metadata(new_metadata(self._locations.uri_of(TABLE_FOLDER)), io.new_output(location))
        try:
            return self._catalog.register_table(TABLE, location)
        except TableAlreadyExistsError:
            return self._catalog.load_table(TABLE)

    def _require_columns(self, table: Table) -> None:
        known, found = table_schema(), table.schema()
        for name in COLUMNS:
            field = known.find_field(name)
            if (
                found.find_column_name(field.field_id) != name
                or found.find_field(field.field_id).field_type != field.field_type
            ):
                message = f"the archive's table has no column {name!r} with the field id {field.field_id}; {_REBUILD}"
                raise ArchiveStateError(message)

        day = known.find_field("day").field_id
        fields = [(field.source_id, str(field.transform)) for field in table.spec().fields]
        if fields != [(day, "identity")] or table.metadata.format_version != FORMAT_VERSION:
            message = (
                f"the archive's table is not partitioned by day alone, or not of version {FORMAT_VERSION} of Iceberg: another "
                f"program has changed that; {_REBUILD}"
            )
            raise ArchiveStateError(message)

    def _refresh(self) -> None:
        with translated("reading the archive's table"):
            self._table.refresh()

    def _forget(self, snapshots: list[Snapshot]) -> int:
        if not snapshots:
            return 0
        with translated("forgetting snapshots of the archive's table"):
            known = files_of(self._table, snapshots)
            forget(self._table, snapshots)
            self._table.refresh()
            unused = known - files_of(self._table, self._table.metadata.snapshots)
            for uri in sorted(unused):
                self._table.io.delete(uri)
        return len(snapshots)

    def _entries_to_remove(self, seal: Seal) -> list[DataFile]:
        if not seal.removed:
            return []
        wanted = {self._locations.uri_of(name) for name in seal.removed}
        days = {name.partition("/day=")[2].partition("/")[0] for name in seal.removed}
        with translated("reading the files of the archive's table"):
            tasks = self._table.scan(row_filter=_in("day", days)).plan_files()
            found = {task.file.file_path: task.file for task in tasks if task.file.file_path in wanted}
        if len(found) != len(wanted):
            message = (
                f"the table lacks {len(wanted) - len(found)} of the files that seal {seal.number} removes; {_REBUILD}"
            )
            raise ArchiveStateError(message)
        return list(found.values())

    def _commit(self, added: list[DataFile], removed: list[DataFile], *, seal: Seal) -> None:
        doing = f"registering seal {seal.number} with the archive's table"
        try:
            with translated(doing), self._table.transaction() as transaction:
                _change(transaction.update_snapshot(snapshot_properties=_properties_of(seal)), added, removed)
        except ArchiveError:
            # Another process may have registered it first, or only the answer was lost.
            if self.sealed_number() < seal.number:
                raise
        try:
            self._forget(superfluous(self._table, now=datetime.now(UTC)))
        except ArchiveError as exc:
            logger.warning("old snapshots of the archive's table are forgotten later: %s", exc)


def _change(update: UpdateSnapshot, added: list[DataFile], removed: list[DataFile]) -> None:
    with update.overwrite() if removed else update.merge_append() as producer:
        for entry in added:
            producer.append_data_file(entry)
        for entry in removed:
            producer.delete_data_file(entry)


def _properties_of(seal: Seal) -> dict[str, str]:
    return {
        SEAL_PROPERTY: str(seal.number),
        ARCHIVE_PROPERTY: seal.archive,
        **({ADOPTED_PROPERTY: str(seal.snapshot)} if seal.snapshot is not None else {}),
        **{f"{OFFSETS_PROPERTY}{topic}": _offsets(seal.positions, topic) for topic in seal.positions},
    }


def _offsets(positions: Positions, topic: str) -> str:
    return json.dumps({str(partition): offset for partition, offset in sorted(positions[topic].items())})
