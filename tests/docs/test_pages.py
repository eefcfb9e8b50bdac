from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from telemetry.config import TelemetryConfig
from telemetry.testing import EmbeddedKafka
from tests.docs.configuration_tables import PAGE, with_tables

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_configuration_tables_say_what_the_models_say() -> None:
    page = PAGE.read_text("utf-8")

    assert page == with_tables(page)


def test_the_configuration_example_loads() -> None:
    (example,) = _blocks(PAGE, "toml")
    values = tomllib.loads(example)

    config = TelemetryConfig(**values)

    assert config.audit_config.kafka_brokers.endswith("kafka-2.example.com:9093")
    assert config.audit_config.storage_config is not None


def test_the_readme_example_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = _blocks(ROOT / "README.md", "python")
    monkeypatch.chdir(tmp_path)
    with EmbeddedKafka() as kafka:
        exec(compile(example.replace("localhost:9092", kafka.bootstrap_servers), "README.md", "exec"), {})  # noqa: S102

    assert (tmp_path / "audit.key").stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("audit-fallback/audit-events/**/*.jsonl"))


def test_the_readme_example_is_short() -> None:
    (example,) = _blocks(ROOT / "README.md", "python")

    assert sum(1 for line in example.splitlines() if line.strip()) <= 12


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []
