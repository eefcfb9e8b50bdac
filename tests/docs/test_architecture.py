"""Checks that docs/architecture.md points at files and symbols that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/architecture.md"
_ROW = re.compile(r"^\| (?P<question>\(?[A-Za-z].*\?) \| (?P<answer>.*) \| (?P<test>.*) \|$", re.MULTILINE)
_LINK = re.compile(r"\[`(?P<symbol>[^`]+)`\]\((?P<path>[^)]+)\)")


def _rows() -> list[re.Match[str]]:
    return list(_ROW.finditer(PAGE.read_text("utf-8").partition("## Where to find it")[2]))


def _defines(path: Path, symbol: str) -> bool:
    body: list[ast.stmt] = ast.parse(path.read_text("utf-8")).body
    for name in symbol.split("."):
        found = [
            node
            for node in body
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
        ]
        if not found:
            return False
        body = found[0].body
    return True


def test_the_four_questions_of_a_newcomer_are_answered() -> None:
    questions = [row["question"][:3] for row in _rows() if row["question"].startswith("(")]

    assert questions == ["(a)", "(b)", "(c)", "(d)"]


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row["question"])
def test_each_answer_links_to_code_that_exists(row: re.Match[str]) -> None:
    link = _LINK.search(row["answer"])

    assert link is not None
    path = (PAGE.parent / link["path"]).resolve()
    assert path.exists()
    if path.suffix == ".py" and not link["symbol"].endswith(".py"):
        assert _defines(path, link["symbol"]), link["symbol"]


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row["question"])
def test_each_answer_names_a_test_that_exists(row: re.Match[str]) -> None:
    link = _LINK.search(row["test"])

    assert link is not None
    path = (PAGE.parent / link["path"]).resolve()
    assert path.name == link["symbol"]
    assert path.is_file()


def test_every_thread_of_the_library_is_on_the_page() -> None:
    page = PAGE.read_text("utf-8")
    sources = [
        path.read_text("utf-8") for path in (ROOT / "src/telemetry").rglob("*.py") if "testing" not in path.parts
    ]
    started = {
        name
        for source in sources
        for name in re.findall(
            r"\"(telemetry-(?:[a-z]+-)?(?:spool|sender|poller|fallback|probe|replay|keys|diagnosis|store))\"", source
        )
    }

    assert started
    assert {name for name in started if f"`{name}" not in page and not name.endswith("-poller")} == set()
