"""Says how far the Iceberg table is behind the seals, without creating what is not there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from telemetry.archive.committing.opening import open_table
from telemetry.archive.table.catalogs import CATALOG_FILE
from telemetry.config import ArchiveConfig, TelemetryConfig
from telemetry.exceptions import ArchiveError, ConfigurationError
from telemetry.format.archive.succession import ArchiveState
from telemetry.storage import StorageProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLag:
    """The state of the table.

    Attributes:
        number: Number of the seal that it was brought to; None where there is no table, or it cannot be read.
        foreign: Snapshots of other engines since.
        text: The same in words.
        remedy: What to do about it; empty if nothing.
    """

    number: int | None
    foreign: int
    text: str
    remedy: str = ""


def table_lag(config: TelemetryConfig, store: StorageProvider, state: ArchiveState) -> TableLag:
    """Return how far the table is behind the last seal.

    Args:
        config: Names the catalog.
        store: The archive's store.
        state: The archive after the last seal.
    """
    archive = config.archive_config or ArchiveConfig()
    file = archive.catalog_path or _in_folder(store)
    if not archive.catalog_properties() and (file is None or not file.exists()):
        return TableLag(number=None, foreign=0, text="no catalog here; the next commit, or `archive seal`, creates it")
    try:
        with open_table(config, store) as table:
            number, foreign = table.sealed_number(), len(table.foreign_snapshots())
    except (ArchiveError, ConfigurationError) as exc:
        return TableLag(number=None, foreign=0, text="it cannot be read", remedy=str(exc))
    if foreign:
        remedy = (
            f"another engine has written {foreign} snapshots: look at them, then `telemetry archive seal` adopts them"
        )
        return TableLag(number=number, foreign=foreign, text=f"at seal {number}, and changed since", remedy=remedy)
    if number < state.seal.number:
        remedy = "the next commit, or `telemetry archive seal`, has the table catch up"
        return TableLag(number=number, foreign=0, text=f"{state.seal.number - number} seals behind", remedy=remedy)
    if number > state.seal.number:
        remedy = "somebody removed the last seals, or this is an older copy; `telemetry archive seal --rebuild` goes on from here"
        return TableLag(number=number, foreign=0, text=f"at seal {number}, which is absent", remedy=remedy)
    return TableLag(number=number, foreign=0, text=f"at seal {number}")


def _in_folder(store: StorageProvider) -> Path | None:
    split = urlsplit(store.location)
    return Path(unquote(split.path)) / CATALOG_FILE if split.scheme == "file" else None
