"""Writes OCSF into folders as Amazon Security Lake wants a custom source to: one class a file, by region, account and day.

Source: Amazon Security Lake user guide, "Collecting data from custom sources".
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from telemetry.cli.output.parquet.row_groups import TEXT_BYTES, RowGroups
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader import OpenedEvent
from telemetry.reader.mappings import Schema
from telemetry.reader.mappings.arrow.ocsf_shape import OcsfShape
from telemetry.reader.mappings.ocsf import OcsfMapping
from telemetry.system.durable_file import create_private, require_target, sync_folder

MAX_OPEN = 32
"""Files that are written at the same time; a long trail has more days, and continues a day in a further file."""
MAX_BYTES = 256 << 20
"""Size at which a file is ended and a further one begun."""
FOLDER_MODE = 0o700

_NAME_CHARACTERS = 32
_VERSION = "1.0"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PARTS = {
    "--lake-source": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,50}", re.ASCII),
    "--lake-region": re.compile(r"[a-z0-9-]{1,32}", re.ASCII),
    "--lake-account": re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII),
}


class Partition(NamedTuple):
    """What goes into one folder.

    Attributes:
        class_uid: Number of the class.
        day: Day of the events, ``YYYYMMDD`` in UTC.
    """

    class_uid: int
    day: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LakePlace:
    """Where in a lake the files belong.

    Attributes:
        folder: The folder that stands for the bucket; it is created if its parent exists.
        source: Beginning of the custom sources' names; the number of the class follows.
        region: AWS Region.
        account: AWS account, or the external id of the custom source.

    Raises:
        ConfigurationError: A part has a character that no name has.
    """

    folder: Path
    source: str
    region: str
    account: str

    def __post_init__(self) -> None:
        parts = {"--lake-source": self.source, "--lake-region": self.region, "--lake-account": self.account}
        problems = [
            Problem(option, "is no name that Security Lake has", "use letters, digits and hyphens")
            for option, text in parts.items()
            if not _PARTS[option].fullmatch(text)
        ]
        if problems:
            raise ConfigurationError(*problems)

    def of(self, partition: Partition) -> Path:
        """Return the folder of a partition, within the lake."""
        source = Path("ext", f"{self.source}-{partition.class_uid}", _VERSION)
        return source / f"region={self.region}" / f"accountId={self.account}" / f"eventDay={partition.day}"


class LakeWriter:
    """Writes each event into the file of its class and day; the files appear when all of them are complete.

    A file's name is the hash of its bytes: the same events give the same files, and an upload replaces them by themselves.

    Args:
        place: Where the files belong.
        schema: OCSF with its rules.
        mapping: What converts the events.

    Raises:
        ConfigurationError: The folder cannot be written.
    """

    def __init__(self, place: LakePlace, schema: Schema, mapping: OcsfMapping) -> None:
        self._place = place
        self._schema = schema
        self._mapping = mapping
        self._shapes: dict[int, OcsfShape] = {}
        self._open: dict[Partition, _LakeFile] = {}
        self._complete: list[tuple[Partition, Path, str]] = []
        # Beside the final places, so that a file is moved and never copied.
        self._staging = place.folder / f".unfinished-{secrets.token_hex(8)}"
        try:
            place.folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            self._staging.mkdir(mode=FOLDER_MODE)
        except OSError as exc:
            raise _unwritable(place.folder, exc) from exc

    def write(self, opened: OpenedEvent) -> None:
        """Write an event; see :class:`telemetry.reader.mappings.writers.EventWriter`."""
        record = self._mapping(opened)
        partition = Partition(record["class_uid"], _day(record["time"]))
        shape = self._shapes.get(partition.class_uid)
        if shape is None:
            shape = self._shapes[partition.class_uid] = OcsfShape(self._schema, self._mapping, [partition.class_uid])
        file = self._file(partition, shape)
        file.groups.add(*shape.row(record))
        if file.groups.written >= MAX_BYTES:
            self._end(partition)
        self._bound_memory()

    def close(self) -> None:
        """Complete the files and move them to their places."""
        for partition in list(self._open):
            self._end(partition)
        try:
            # All places are looked at before the first file is moved.
            for partition, _, name in self._complete:
                require_target(self._target(partition, name), replace=True)
            for partition, file, name in self._complete:
                self._move(file, self._target(partition, name))
        except OSError as exc:
            raise _unwritable(self._place.folder, exc) from exc
        shutil.rmtree(self._staging)

    def discard(self) -> None:
        """Remove what was not moved to its place."""
        for file in self._open.values():
            file.groups.discard()
            file.stream.close()
        self._open = {}
        shutil.rmtree(self._staging, ignore_errors=True)

    def remarks(self) -> Iterable[str]:
        """Say how many files there are."""
        yield f"{len(self._complete)} files below {self._place.folder / 'ext'}"

    def _file(self, partition: Partition, shape: OcsfShape) -> _LakeFile:
        # The order of the dictionary is that of use: the first has waited longest.
        file = self._open.pop(partition, None)
        if file is None:
            if len(self._open) >= MAX_OPEN:
                self._end(next(iter(self._open)))
            file = _LakeFile(self._staging / secrets.token_hex(8), shape)
        self._open[partition] = file
        return file

    def _bound_memory(self) -> None:
        waiting = sum(file.groups.size for file in self._open.values())
        if waiting > TEXT_BYTES:
            max(self._open.values(), key=lambda file: file.groups.size).groups.flush()

    def _end(self, partition: Partition) -> None:
        file = self._open.pop(partition)
        self._complete.append((partition, file.path, file.end()))

    def _target(self, partition: Partition, name: str) -> Path:
        return self._place.folder / self._place.of(partition) / f"{name}.parquet"

    def _move(self, file: Path, target: Path) -> None:
        folder = self._place.folder
        for part in target.parent.relative_to(folder).parts:
            folder /= part
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        file.replace(target)
        sync_folder(folder)


class _LakeFile:
    """A file that is being written, with the hash of its bytes.

    Args:
        path: Its name until it is complete.
        shape: Columns of its rows.
    """

    def __init__(self, path: Path, shape: OcsfShape) -> None:
        self.path = path
        self.stream = _Hashed(os.fdopen(create_private(path), "wb"))
        self.groups = RowGroups(self.stream, shape.arrow)  # type: ignore[arg-type]

    def end(self) -> str:
        """Write the end and return the name that the bytes give the file."""
        self.groups.close()
        return self.stream.end()


class _Hashed(io.RawIOBase):
    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._hash.update(data)
        return self._target.write(data)

    def end(self) -> str:
        self._target.flush()
        os.fsync(self._target.fileno())
        self.close()
        return self._hash.hexdigest()[:_NAME_CHARACTERS]

    def close(self) -> None:
        self._target.close()
        super().close()


def _day(milliseconds: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return f"{moment.year:04}{moment.month:02}{moment.day:02}"


def _unwritable(folder: Path, exc: OSError) -> ConfigurationError:
    problem = Problem("--lake", f"{folder} cannot be written: {exc.strerror}", "name another folder")
    return ConfigurationError(problem)
