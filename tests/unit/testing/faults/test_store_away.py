"""A folder that is created anew while it is taken away is taken away too, with what is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.testing.faults.store_away import StoreAway


def test_folder_that_comes_back_is_taken_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "fallback"
    (store / "a").mkdir(parents=True)
    (store / "a" / "first").write_text("1")
    rename = Path.rename

    def renamed_and_written(path: Path, target: Path) -> Path:
        moved = rename(path, target)
        if path == store:
            (store / "a").mkdir(parents=True)
            (store / "a" / "second").write_text("2")
        return moved

    monkeypatch.setattr(Path, "rename", renamed_and_written)
    away = StoreAway(store, aside=tmp_path / "aside")
    away.take()
    assert store.is_file()
    monkeypatch.undo()

    away.give_back()

    assert sorted(path.name for path in (store / "a").iterdir()) == ["first", "second"]
