"""Evaluates the alert rules on scraped series by promtool, which is Prometheus' own evaluation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.services.deploy_tools import run_tool
from tests.support.chart import ROOT
from tests.support.scraping import Series

RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"

Alert = tuple[str, Mapping[str, str]]
"""Name of an alert, and its labels."""


def rules() -> dict[str, dict[str, Any]]:
    """Return the rules of the file by the name of their alert."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


class RuleCheck:
    """Compares what fires with what should.

    Args:
        promtool: The program.
        folder: Scratch folder.
    """

    def __init__(self, promtool: Path, folder: Path) -> None:
        self._promtool = promtool
        self._folder = folder

    def fires(self, scrapes: Sequence[tuple[int, Series]], *alerts: Alert, at: int) -> None:
        """Check that exactly these alerts fire at a minute, with these labels and the texts of the rules.

        Args:
            scrapes: From which minute on, and what Prometheus then scrapes once a minute.
            alerts: What should fire.
            at: The minute.
        """
        test = {
            "interval": "1m",
            "input_series": _input(scrapes, minutes=at + 1),
            "alert_rule_test": [_expected(name, alerts, at) for name in rules()],
        }
        file = self._folder / "rule_test.yml"
        file.write_text(
            yaml.safe_dump({"rule_files": [str(RULES.resolve())], "evaluation_interval": "1m", "tests": [test]})
        )
        done = run_tool([str(self._promtool), "test", "rules", str(file)], folder=self._folder)
        assert done.returncode == 0, done.stdout + done.stderr


def _input(scrapes: Sequence[tuple[int, Series]], *, minutes: int) -> list[dict[str, str]]:
    names = sorted({name for _minute, series in scrapes for name in series})
    found = []
    for name in names:
        values = []
        for minute in range(minutes + 1):
            (*_, (_since, series)) = [scrape for scrape in scrapes if scrape[0] <= minute]
            # Prometheus marks a series that a scrape does not have any more, and then no longer finds it.
            values.append(f"{series[name]:.17g}" if name in series else "stale")
        found.append({"series": name, "values": " ".join(values)})
    return found


def _expected(name: str, alerts: Sequence[Alert], at: int) -> dict[str, Any]:
    rule = rules()[name]
    firing = [
        {
            "exp_labels": {**rule["labels"], **labels},
            "exp_annotations": {key: _filled(text, labels) for key, text in rule["annotations"].items()},
        }
        for alert, labels in alerts
        if alert == name
    ]
    return {"eval_time": f"{at}m", "alertname": name, "exp_alerts": firing}


def _filled(text: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{ \$labels\.([a-z_]+) \}\}", lambda found: labels[found[1]], text)
