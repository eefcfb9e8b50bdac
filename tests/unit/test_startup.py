"""Each way to start loads what it uses and nothing more; counted in modules, because a time depends on the machine."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SDKS = {"boto3", "azure", "google", "obstore", "pyarrow"}
PIPELINE = {
    "asyncio",
    "confluent_kafka",
    "cryptography",
    "opentelemetry",
    "orjson",
    "sqlite3",
    "telemetry.audit.pipeline",
}
SETTINGS = {"pydantic_settings", "dotenv", "importlib.metadata"}
COMMAND = {"typer", "rich"}
PYDANTIC = {"pydantic", "importlib.metadata"}
CONFIGURATION = {"pydantic", "telemetry.config", "msgspec"} | SETTINGS

SCRIPT = """
import sys
before = set(sys.modules)
{statement}
loaded = set(sys.modules) - before
import json
print("\\n" + json.dumps(sorted(loaded)))
"""
COMMAND_LINE = """
sys.argv = ["telemetry", {words}]
try:
    from telemetry.cli import main
    main()
except SystemExit:
    pass
"""


def _command(words: str) -> str:
    return COMMAND_LINE.format(words=words)


@pytest.mark.parametrize(
    ("statement", "forbidden", "most"),
    [
        ("import telemetry", PIPELINE | CONFIGURATION | COMMAND | {"typing", "importlib"}, 12),
        ("from telemetry import Telemetry", PIPELINE | CONFIGURATION | COMMAND, 70),
        ("from telemetry.sync import Telemetry", PIPELINE | CONFIGURATION | COMMAND, 70),
        ("from telemetry import TelemetryConfig", PIPELINE | SETTINGS | COMMAND, 230),
        ("from telemetry.types import AuditConfig, StorageConfig", PIPELINE | SETTINGS | COMMAND, 230),
        ("from telemetry.audit.runtime import Runtime", SETTINGS | COMMAND, 546),
        (_command("'--version'"), PIPELINE | CONFIGURATION | COMMAND | {"typing"}, 15),
        (_command("'--help'"), PIPELINE | CONFIGURATION | {"rich.progress"}, 400),
        # Typer checks the values of options with pydantic, those before the subcommand too.
        (_command("'keys', '--help'"), PIPELINE | CONFIGURATION - PYDANTIC | {"rich.progress"}, 520),
        (_command("'keys', 'init', '--help'"), PIPELINE | CONFIGURATION - PYDANTIC | {"rich.progress"}, 520),
    ],
    ids=lambda value: value.strip().splitlines()[0] if isinstance(value, str) else "",
)
def test_start_loads_only_what_it_uses(statement: str, forbidden: set[str], most: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(statement=statement)],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    loaded = json.loads(done.stdout.splitlines()[-1])

    assert (forbidden | SDKS).intersection(loaded) == set()
    assert len(loaded) <= most


def test_version_in_any_place_is_answered() -> None:
    for words in (["--version"], ["-v", "--version"]):
        done = subprocess.run([sys.executable, "-m", "telemetry", *words], capture_output=True, timeout=100, check=True)
        assert done.stdout.startswith(b"telemetry ")
