"""The examples of the sizing page are what the command prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.in_process import run

PAGE = Path(__file__).parents[2] / "docs" / "sizing.md"
EXAMPLES = re.findall(r"^\$ telemetry (config size .*)\n((?:.+\n)+?)```", PAGE.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("command", "output"), EXAMPLES, ids=["ten services", "two hundred", "two thousand"])
def test_example_is_what_the_command_prints(command: str, output: str) -> None:
    done = run(*command.split())

    assert (done.code, done.out.decode()) == (0, output)


def test_page_links_the_measurement() -> None:
    assert "make bench-sizing" in PAGE.read_text("utf-8")
    assert "\nbench-sizing:" in PAGE.parents[1].joinpath("Makefile").read_text("utf-8")
