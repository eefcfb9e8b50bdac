from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from telemetry.cli.app import COMMANDS
from telemetry.config import AuditConfig, GatewayConfig
from telemetry.config.gateway.shared_streams import SharedStreamsConfig
from telemetry.gateway.identities.entries import read_entries
from tests.services.required import unavailable
from tests.support.gateway.credentials import write_identities
from tests.support.gateway.served import Served, local_config
from tests.support.in_process import run

PAGE = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_example_on_one_machine_runs_as_written(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        unavailable("curl is not installed")
    write_identities(tmp_path / "identities.toml", _blocks("toml")[0].replace("1000", str(os.getuid())))
    serve, ask = _blocks("sh")[:2]
    words = serve.replace("$PWD", str(tmp_path)).replace("identities.toml", str(tmp_path / "identities.toml")).split()
    assert words[:4] == ["telemetry", "serve", "-c", "telemetry.toml"]

    with Served(local_config(tmp_path), tmp_path, *words[4:]) as served:
        done = subprocess.run(
            ["bash", "-c", f"{ask.rstrip()} -sS --max-time 100"],
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert served.end() == 0

    assert len(json.loads(done.stdout)["events"]) == 1, done.stderr


@pytest.mark.parametrize("number", [0, 1])
def test_identities_of_the_page_can_be_read(tmp_path: Path, number: int) -> None:
    file = write_identities(tmp_path / "identities.toml", _blocks("toml")[number])

    assert read_entries(file, own_service="gateway")


def test_configuration_of_the_page_loads() -> None:
    values = tomllib.loads(_blocks("toml")[2])["gateway_config"]

    assert GatewayConfig(**values).forwarded_certificates


def test_options_of_the_page_exist() -> None:
    help_text = run("serve", "--help").out.decode()
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", "".join(_blocks("sh")).replace("--unix-socket", "")))

    assert named
    assert {option for option in named if option not in help_text} == set()
    assert {"serve", "serve-token"} <= {entry.name for entry in COMMANDS}


def test_token_is_shown_once_with_an_entry_that_fits(tmp_path: Path) -> None:
    ended = run("serve-token", "--days", "30")
    token, entry = ended.out.decode().strip(), ended.err.strip().splitlines()[-1]

    (identity,) = read_entries(
        write_identities(tmp_path / "identities.toml", f'[[identity]]\nservice = "a"\n{entry}\n'), own_service="gateway"
    )

    assert ended.code == 0
    assert token.startswith("tgw_")
    assert token not in ended.err
    assert len(identity.tokens) == 1


def test_bounds_of_the_page_exist() -> None:
    listed = re.findall(r"`([a-z_]+)`", PAGE.partition("## Bounds")[2].partition("## Health")[0])
    known = {
        *GatewayConfig().limits.model_dump(),
        *SharedStreamsConfig.model_fields,
        *AuditConfig.model_fields,
        "gateway_config",
    }
    known |= {"audit_config"}

    assert {name for name in listed if "_" in name} <= known
