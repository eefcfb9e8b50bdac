"""The dashboard asks for series that exist, and is what Grafana reads."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tests.services.deploy_tools import run_tool
from tests.support.chart import CHART, ROOT
from tests.support.rule_metrics import series_names, used_names

DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())
_VARIABLES = {"$__rate_interval": "5m", "$__range": "6h", "$job": ".*", "$topic": ".*"}


def _panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def _expressions() -> list[str]:
    return [target["expr"] for panel in _panels() for target in panel["targets"]]


def test_every_series_exists() -> None:
    assert {name for expression in _expressions() for name in used_names(expression)} <= series_names()


def test_every_series_is_shown() -> None:
    shown = {name for expression in _expressions() for name in used_names(expression)}
    without_parts = {name for name in series_names() if not name.endswith(("_sum", "_count"))}

    assert without_parts - shown == set()


def test_it_is_the_file_of_the_chart() -> None:
    assert (ROOT / "deploy/grafana/dashboard.json").resolve() == CHART / "files/dashboard.json"


def test_expressions_are_promql(promtool: Path, tmp_path: Path) -> None:
    rules = []
    for number, expression in enumerate(_expressions()):
        plain = expression
        for variable, value in _VARIABLES.items():
            plain = plain.replace(variable, value)
        assert "$" not in plain
        rules.append({"record": f"panel:{number}", "expr": plain})
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = run_tool([str(promtool), "check", "rules", str(file)], folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_panels_fill_rows_without_overlap() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _y in cells) == 23
    identities = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(identities) == len(set(identities))


def test_variables_are_declared_and_used() -> None:
    declared = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)\}?", json.dumps(DASHBOARD["panels"])))
    assert used == declared
