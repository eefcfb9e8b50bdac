"""Keeps which data files of an archive are live: named by a seal, and not removed by a later one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from telemetry.exceptions import FormatError
from telemetry.format.archive.seal import Seal, SealedFile


class LiveFile(NamedTuple):
    """A live file.

    Attributes:
        file: What its seal says of it.
        number: The seal that brought it; where reading began at a list of live files, that one.
    """

    file: SealedFile
    number: int


class LiveFiles(Mapping[str, LiveFile]):
    """The live files after one seal, by name.

    Args:
        files: The files.
    """

    def __init__(self, files: Iterable[LiveFile] = ()) -> None:
        self._files = {live.file.name: live for live in files}
        self._rows = sum(live.file.rows for live in self._files.values())

    @classmethod
    def listed(cls, seal: Seal) -> LiveFiles:
        """Return the live files that a seal lists.

        Raises:
            FormatError: It lists none.
        """
        if seal.live is None:
            message = f"the seal {seal.number} does not list the live files"
            raise FormatError(message)
        return cls(LiveFile(file, seal.number) for file in seal.live)

    @property
    def rows(self) -> int:
        """Rows of all live files."""
        return self._rows

    def files(self) -> tuple[SealedFile, ...]:
        """Return the files, sorted by name, and so by day."""
        return tuple(self._files[name].file for name in sorted(self._files))

    def problems_with(self, added: Iterable[SealedFile], removed: Iterable[str]) -> Iterator[str]:
        """Yield why these files cannot be added and removed."""
        for name in removed:
            if name not in self._files:
                yield f"it removes {name}, which is not live"
        for file in added:
            if file.name in self._files:
                yield f"it adds {file.name}, which is live already"

    def after(self, seal: Seal) -> LiveFiles:
        """Return the live files after another seal.

        Raises:
            FormatError: It removes a file that is not live, or adds one that is.
        """
        for problem in self.problems_with(seal.added, seal.removed):
            message = f"the seal {seal.number} does not fit the live files: {problem}"
            raise FormatError(message)
        other = self.copy()
        other.apply(seal)
        return other

    def apply(self, seal: Seal) -> None:
        """Change to the live files after another seal, whatever it says: a judge goes on after a finding."""
        for name in seal.removed:
            gone = self._files.pop(name, None)
            self._rows -= gone.file.rows if gone is not None else 0
        for file in seal.added:
            before = self._files.get(file.name)
            self._rows += file.rows - (before.file.rows if before is not None else 0)
            self._files[file.name] = LiveFile(file, seal.number)

    def copy(self) -> LiveFiles:
        """Return another object with the same files."""
        return LiveFiles(self._files.values())

    def __getitem__(self, name: str) -> LiveFile:
        return self._files[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)
