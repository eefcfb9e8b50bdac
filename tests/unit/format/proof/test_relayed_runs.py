from __future__ import annotations

from dataclasses import replace

import pytest

from telemetry.exceptions import FormatError
from telemetry.format.proof.checkpoint import Checkpoint, parse_text, render_text
from telemetry.format.proof.merkle import Frontier
from telemetry.format.proof.relayed_runs import MAX_RUNS, Run, clipped_runs, parse_runs, render_runs


def checkpoint(**changes: object) -> Checkpoint:
    made = Checkpoint.of(
        Frontier(),
        source="/p/shop",
        producer="018f3b1c-0000-7000-8000-000000000001",
        time="2026-01-31T12:00:00.123456Z",
        topic="audit-events",
        interval=0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("runs", [(Run(0, 0),), (Run(3, 9), Run(11, 11)), tuple(Run(n, n) for n in range(0, 128, 2))])
def test_runs_are_read_as_they_were_written(runs: tuple[Run, ...]) -> None:
    assert parse_runs(render_runs(runs), 0, 128) == runs


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1", "1 2 3", "2 1", "1 2 3 4 ", "01 2", "1  2", "a b", "-1 2", "1 ٣", "0 2", "3 10", "9 10"),
        *("3 4 4 5", "3 4 5 6", "5 6 3 4", "3 4 3 4", "99999999999999999 99999999999999999"),
        render_runs([Run(n, n) for n in range(1, 2 * MAX_RUNS + 2, 2)]),
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(FormatError, match="relayed"):
        parse_runs(text, 1, 10)


def test_runs_are_clipped_to_an_interval() -> None:
    runs = Run(0, 3), Run(5, 5), Run(7, 20)
    assert list(clipped_runs(runs, 2, 9)) == [Run(2, 3), Run(5, 5), Run(7, 8)]
    assert list(clipped_runs(runs, 4, 5)) == []


def test_checkpoint_without_relayed_records_has_no_line() -> None:
    assert "relayed" not in render_text(checkpoint())


@pytest.mark.parametrize("line", ["relayed 0 0\nrelayed 0 0", "relayed", "relayed 0 0"])
def test_line_outside_of_the_interval_is_refused(line: str) -> None:
    with pytest.raises(FormatError):
        parse_text(render_text(checkpoint()) + line + "\n")


def test_line_without_an_interval_is_refused() -> None:
    text = render_text(checkpoint(topic=None, interval=None))
    with pytest.raises(FormatError, match="not the interval"):
        parse_text(text + "relayed 0 0\n")
