from __future__ import annotations

import io

import pytest
from rich.console import Console

from telemetry.cli.output.timeline import draw
from telemetry.trail.life_steps import LifeStep

STEPS = (
    LifeStep(title="called", time="2026-01-31T00:42:09.709095Z", facts={"type": "user_login", "session": ""}),
    LifeStep(title="sealed\x1b[2J", facts={"KEK": "[bold]local-key[/]\u202e"}),
)


@pytest.mark.parametrize(("encoding", "mark", "line"), [("utf-8", "●", "│"), ("ascii", "*", "|")])
def test_steps_are_drawn_in_order(encoding: str, mark: str, line: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    draw(Console(file=stream, force_terminal=False, soft_wrap=True), STEPS)
    stream.seek(0)

    assert stream.read().splitlines() == [
        f"{mark} called  2026-01-31 00:42:09.709095 UTC",
        f"{line}   type         user_login",
        line,
        f"{mark} sealed\\x1b[2J",
        "    KEK          [bold]local-key[/]\\u202e",
    ]
