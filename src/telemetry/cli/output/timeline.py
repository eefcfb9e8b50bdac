"""Draws a sequence of steps, in colours for a terminal or plain for a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from rich.console import Console
from rich.text import Text

from telemetry.cli.output.console import escape_control
from telemetry.trail.life_steps import LifeStep, Standing

_NAME_WIDTH = 12
_TIME_WIDTH = 26
_STYLES: Mapping[Standing, str] = MappingProxyType(
    {Standing.NOTED: "cyan", Standing.FINE: "green", Standing.OPEN: "yellow", Standing.WRONG: "bold red"}
)
"""Colour of a step's mark."""


def draw(console: Console, steps: Sequence[LifeStep]) -> None:
    """Draw the steps from top to bottom; nothing in their texts can steer the terminal."""
    # A terminal or file of another encoding cannot show the drawing characters.
    mark, line = ("●", "│") if console.encoding.lower().startswith("utf") else ("*", "|")
    for number, step in enumerate(steps, start=1):
        bar = line if number < len(steps) else " "
        time = step.time[:_TIME_WIDTH].replace("T", " ").rstrip("Z") + " UTC" * bool(step.time)
        console.print(
            Text.assemble(
                (f"{mark} ", _STYLES[step.standing]),
                (escape_control(step.title), "bold"),
                ("  " if time else "", ""),
                (escape_control(time), "dim"),
            )
        )
        for name, text in step.facts.items():
            if not text:
                continue
            console.print(
                Text.assemble((f"{bar}   ", "dim"), (f"{name:<{_NAME_WIDTH}} ", "dim"), (escape_control(text), ""))
            )
        if number < len(steps):
            console.print(Text(bar, "dim"))
