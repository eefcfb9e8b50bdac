from __future__ import annotations

from pathlib import Path

from telemetry.explorer.site.scope import Scope


def test_times_of_the_start_join_the_command() -> None:
    scope = Scope(topic="audit", since="30d", options=("--config=t.toml",))

    assert scope.options_beside({"user"}) == ["--config=t.toml", "--since=30d"]
    assert scope.options_beside({"since"}) == ["--config=t.toml"]


def test_path_of_a_file_is_not_shown() -> None:
    assert Scope(file=Path("/home/ada/copy.jsonl")).where == "file copy.jsonl"


def test_topic_and_store_are_both_named() -> None:
    assert Scope(topic="audit", has_fallback=True).where == "topic audit and the fallback store"
