from __future__ import annotations

import re
from pathlib import Path

import pytest

import telemetry

ROOT = Path(__file__).parents[2]
MODULES = (
    "audit/metrics/instruments.py",
    "forward/metrics.py",
    "archive/writing/metrics.py",
    "gateway/metrics.py",
    "gateway/refused_records.py",
    "hook_failures.py",
    "outbox/relay_metrics.py",
)
PAGE = (ROOT / "docs/operations.md").read_text("utf-8")


def _section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def _metrics() -> set[str]:
    source = Path(telemetry.__file__).parent
    return {
        name for module in MODULES for name in re.findall(r'"(audit\.[a-z_.]+)"', (source / module).read_text("utf-8"))
    }


def test_every_metric_is_on_the_page_and_no_other() -> None:
    assert set(re.findall(r"`(audit\.[a-z_.]+)`", _section("Watching"))) == _metrics()


def _lines() -> list[str]:
    rows = [row.split("|")[3] for row in _section("When something is away").splitlines() if row.count("|") == 4]
    return [line for cell in rows[2:] for line in re.findall(r"`([^`]+)`", cell) if not line.startswith("telemetry ")]


@pytest.mark.parametrize("line", _lines())
def test_the_log_lines_of_the_page_are_those_of_the_library(line: str) -> None:
    wanted = line.replace("N events", "%d events")
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src/telemetry/audit").rglob("*.py"))

    assert wanted in source


def test_the_page_names_some_log_lines() -> None:
    assert len(_lines()) >= 7
