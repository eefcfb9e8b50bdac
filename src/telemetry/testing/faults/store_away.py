"""Takes a folder away from a process that writes into it, and gives it back."""

from __future__ import annotations

import shutil
from pathlib import Path


class StoreAway:
    """A folder with a file in its place: no user can write below it, not even root.

    Args:
        store: The folder.
        aside: Where it waits.
    """

    def __init__(self, store: Path, *, aside: Path) -> None:
        self._store = store
        self._aside = aside

    def take(self) -> None:
        """Take the folder away."""
        self._store.rename(self._aside)
        while True:
            try:
                self._store.touch(exist_ok=False)
            except FileExistsError:
                # A write between the two steps has created it anew; what it stored is acknowledged, and must not be lost.
                self._move_rest()
            else:
                return

    def give_back(self) -> None:
        """Put the folder into its place."""
        self._store.unlink()
        self._aside.rename(self._store)

    def _move_rest(self) -> None:
        for file in [path for path in self._store.rglob("*") if path.is_file()]:
            target = self._aside / file.relative_to(self._store)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.rename(target)
        shutil.rmtree(self._store)
