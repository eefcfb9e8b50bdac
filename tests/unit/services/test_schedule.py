"""Distributes long tests before short ones."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.services.schedule import EXPECTED_SECONDS, expected_seconds, order_items, scope_of

_ROOT = Path(__file__).parents[3]


def test_listed_files_exist() -> None:
    absent = [name for name in EXPECTED_SECONDS if not (_ROOT / name.partition("::")[0]).exists()]

    assert absent == []


def test_file_stays_on_one_worker() -> None:
    assert scope_of("tests/fault/test_outage.py::test_x[a::b]") == "tests/fault/test_outage.py"
    assert scope_of("tests/unit/test_package.py::test_y") == "tests/unit/test_package.py"


def test_folder_stays_on_one_worker() -> None:
    assert scope_of("tests/explorer/test_tasks.py::test_x[1]") == "tests/explorer/"
    assert expected_seconds("tests/explorer/") == EXPECTED_SECONDS["tests/explorer/"]


def test_independent_tests_are_spread() -> None:
    assert scope_of("tests/cli/test_fallback.py::test_x[1]") == "tests/cli/test_fallback.py::test_x[1]"


def test_most_exact_entry_counts() -> None:
    file = "tests/fault/test_fault_matrix.py"

    assert expected_seconds(f"{file}::test_real_broker_frozen") == EXPECTED_SECONDS[f"{file}::test_real_broker"]
    assert expected_seconds(f"{file}::test_faults") == EXPECTED_SECONDS[f"{file}::"]
    assert expected_seconds("tests/unit/test_package.py") == 0.0


def test_long_work_comes_first() -> None:
    names = ["a.py::1", "tests/fault/test_crash.py::1", "b.py::1", "a.py::2", "tests/fault/test_outage.py::1"]
    items: list[Any] = [SimpleNamespace(nodeid=name) for name in names]

    order_items(items)

    ordered = [item.nodeid for item in items]
    assert ordered == [names[4], names[1], "a.py::1", "a.py::2", "b.py::1"]
