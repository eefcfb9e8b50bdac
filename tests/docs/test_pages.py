from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from telemetry import exceptions
from telemetry.cli.app import app
from telemetry.cli.feeding.run import BAD_LINES
from telemetry.cli.lazy_command import LazyCommand
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


def test_the_readme_examples_run_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    laptop, sealed = _blocks(ROOT / "README.md", "python")
    names: dict[str, object] = {}
    monkeypatch.chdir(tmp_path)
    exec(compile(laptop, "README.md", "exec"), names)  # noqa: S102

    assert "  user_login  user-123  success  " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

    with EmbeddedKafka() as kafka:
        exec(compile(sealed.replace("localhost:9092", kafka.bootstrap_servers), "README.md", "exec"), names)  # noqa: S102

    assert (tmp_path / "audit.key").stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("audit-fallback/**/*.tobj"))


def test_the_readme_examples_are_short() -> None:
    examples = _blocks(ROOT / "README.md", "python")

    assert [sum(1 for line in example.splitlines() if line.strip()) <= 12 for example in examples] == [True, True]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_command_page_lists_every_command_and_no_other() -> None:
    listed = set(
        re.findall(r"^\| `telemetry ([a-z -]+)` \|", (ROOT / "docs/command.md").read_text("utf-8"), re.MULTILINE)
    )
    root = get_command(app)

    assert listed == set(_names(root))


def test_the_exit_codes_are_those_of_the_errors() -> None:
    page = (ROOT / "docs/command.md").read_text("utf-8")
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    errors = [getattr(exceptions, name) for name in exceptions.__all__ if name.endswith("Error")]

    assert {error.exit_code for error in errors} <= listed
    assert BAD_LINES in listed


def _names(command: object, prefix: str = "") -> list[str]:
    if isinstance(command, LazyCommand):
        command = command.load()
    below = getattr(command, "commands", None)
    if below is None:
        return [prefix]
    # A group may do something by itself, too.
    own = [prefix] if prefix and getattr(command, "invoke_without_command", False) else []
    return own + [name for part, found in below.items() for name in _names(found, f"{prefix} {part}".strip())]
