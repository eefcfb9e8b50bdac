from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.gateway.server.reloading import Reloader
from tests.support.until import PATIENCE


class Text:
    """The content of a file; ``bad`` cannot be used."""

    def __init__(self, file: Path) -> None:
        self.files = (file,)
        self.what = "texts"
        self.current = file.read_text()
        self.reads = 0
        self.good = 0

    def reload(self) -> None:
        self.reads += 1
        text = self.files[0].read_text()
        if text == "bad":
            message = "it is bad"
            raise ConfigurationError(message)
        self.current = text
        self.good += 1


def replace(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


@pytest.fixture
def text(tmp_path: Path) -> Text:
    (tmp_path / "f").write_text("one")
    return Text(tmp_path / "f")


@asynccontextmanager
async def running(reloader: Reloader) -> AsyncIterator[None]:
    task = asyncio.create_task(reloader.run())
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def read(text: Text, *, times: int = 1) -> None:
    while text.good < times:  # noqa: ASYNC110 - an attribute that a thread sets
        await asyncio.sleep(0.01)


async def refused(reloader: Reloader) -> None:
    while not reloader.refused:  # noqa: ASYNC110 - an attribute that a thread sets
        await asyncio.sleep(0.01)


async def test_a_changed_file_is_read(text: Text) -> None:
    reloader = Reloader([text], seconds=0.01)
    async with running(reloader):
        replace(text.files[0], "two")
        await read(text)

    assert text.current == "two"


async def test_a_signal_reads_at_once_what_did_not_change(text: Text) -> None:
    reloader = Reloader([text], seconds=3_600)
    async with running(reloader):
        reloader.want()
        await read(text)

    assert text.reads == 1


async def test_a_bad_file_keeps_the_old_one_and_is_said_once(text: Text, caplog: pytest.LogCaptureFixture) -> None:
    reloader = Reloader([text], seconds=0.01)
    async with running(reloader):
        replace(text.files[0], "bad")
        await refused(reloader)
        for _ in range(10):
            await asyncio.sleep(0.01)
        assert text.current == "one"
        assert text.reads == 1
        replace(text.files[0], "three")
        await read(text)

    assert text.current == "three"
    assert reloader.refused == frozenset()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "texts were not reloaded, and the former ones stay in force: it is bad"
    ]


async def test_a_file_that_goes_keeps_the_old_one_and_may_come_back(
    text: Text, caplog: pytest.LogCaptureFixture
) -> None:
    reloader = Reloader([text], seconds=0.01)
    async with running(reloader):
        text.files[0].unlink()
        await refused(reloader)
        assert text.current == "one"
        replace(text.files[0], "two")
        await read(text)

    assert text.current == "two"
    assert "the former ones stay in force: FileNotFoundError" in caplog.text


async def test_a_link_that_is_turned_is_a_change(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text(name)
    (tmp_path / "data").symlink_to("a")
    text = Text(tmp_path / "data" / "f")
    reloader = Reloader([text], seconds=0.01)
    async with running(reloader):
        (tmp_path / "new").symlink_to("b")
        (tmp_path / "new").replace(tmp_path / "data")
        await read(text)

    assert text.current == "b"
