"""The commands of ``docs/forwarding.md`` run as they are written, against targets on this machine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from telemetry.forward.counts import ForwardCounts, State
from telemetry.forward.targets.splunk_hec import _OF_EVENTS, _OF_SETTINGS
from telemetry.testing import EmbeddedKafka
from tests.support.in_process import Ended, run
from tests.support.readable_trail import EVENTS, ReadableTrail
from tests.support.siem import FakeCollector, FakeHec, Siem, running

PAGE = (Path(__file__).parents[2] / "docs/forwarding.md").read_text("utf-8")
_COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[ReadableTrail]:
    with EmbeddedKafka() as kafka:
        yield ReadableTrail(kafka, tmp_path)


def command(wanted: str) -> list[str]:
    (line,) = [line for line in _COMMANDS if wanted in line]
    return shlex.split(line)[1:]


def ran(trail: ReadableTrail, words: list[str], *more: str) -> Ended:
    """Run a command of the page with the configuration of the trail."""
    return run(*[str(trail.file) if word == "reader.toml" else word for word in words], *more)


def with_url(words: list[str], url: str) -> list[str]:
    place = words.index("--url") + 1
    return [*words[:place], url, *words[place + 1 :]]


def test_commands_run_as_written(trail: ReadableTrail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    token = tmp_path / "hec.token"
    token.touch(mode=0o600)
    token.write_text(FakeHec.token)
    with running(FakeHec()) as hec:
        words = with_url(command("splunk-hec"), hec.url)
        place = words.index("--trust")
        ended = ran(trail, [*words[:place], *words[place + 2 :]], "--once")
        assert ended.code == 0, ended.err
        assert len(hec.indexed) == len(EVENTS)
    with running(FakeCollector()) as collector:
        ended = ran(trail, with_url(command("--to otlp"), collector.url), "--once")
        assert ended.code == 0, ended.err
        assert len(collector.accepted) == len(EVENTS)
    words = ["store" if word == "s3" else word for word in with_url(command("--to s3"), f"file://{tmp_path}/lake")]
    assert ran(trail, words).code == 0
    assert list((tmp_path / "lake").rglob("*.gz"))
    with running(Siem()) as siem:
        ended = ran(trail, with_url(command("--resend"), siem.url))
        assert (ended.code, siem.posts) == (0, []), ended.err


def test_every_state_and_count_is_on_the_page() -> None:
    for name in (*State, *(field.name for field in fields(ForwardCounts))):
        assert f"`{name}`" in PAGE


def test_codes_of_the_collector_are_on_the_page() -> None:
    settings = set(map(int, re.findall(r"\d+", re.findall(r"codes ([^;]*);", PAGE)[0].replace("1 to 4", "1, 2, 3, 4"))))
    events = set(map(int, re.findall(r"\d+", re.findall(r"400 with code ([^;]*);", PAGE)[0])))

    assert settings == set(_OF_SETTINGS)
    assert events == set(_OF_EVENTS)
