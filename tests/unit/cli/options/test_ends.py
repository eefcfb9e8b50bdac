"""Where an export ended can be given to the next one, and nothing else is understood as such."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.cli.options.ends import end_of, parse_end
from telemetry.exceptions import ConfigurationError
from telemetry.reader import RawRecord


class _Topic:
    topic = "audit-events"
    bounds = {1: (3, 20), 0: (0, 10)}  # noqa: RUF012 - the test changes nothing

    def __iter__(self) -> Iterator[RawRecord]:
        return iter(())


def test_end_that_was_said_is_understood() -> None:
    text = end_of([_Topic()])

    assert text == "audit-events:0=10,1=20"
    assert parse_end(text, topic="audit-events") == {0: 10, 1: 20}
    assert parse_end("0=10,1=20", topic="any") == {0: 10, 1: 20}


def test_end_in_a_file_is_understood(tmp_path: Path) -> None:
    file = tmp_path / "january.end"
    file.write_text("audit-events:0=10,1=20\n")

    assert parse_end(f"@{file}", topic="audit-events") == {0: 10, 1: 20}


@pytest.mark.parametrize("content", [b"", b"nothing", b"\xff0=1", b"0=1\n1=2", b"0=1," * 100_000, None])
def test_file_without_an_end_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "january.end"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ConfigurationError, match="--end"):
        parse_end(f"@{file}", topic="audit-events")


def test_several_sources_have_no_end() -> None:
    assert not end_of([[], _Topic()])
    assert not end_of([[]])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0=",
        "=5",
        "0=1,",
        "0=-1",
        "a b:0=1",
        "0=1;1=2",
        "0=1,0=2",
        "other:0=1",
        "0=1" * 100_000,
        "\u0660=\u0661",
    ],
    ids=lambda text: text[:20] or "empty",
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--end"):
        parse_end(text, topic="audit-events")
