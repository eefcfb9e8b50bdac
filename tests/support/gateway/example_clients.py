"""Runs the example clients of the gateway: Go, Node and shell."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.services import environment
from tests.services.fetch import program
from tests.services.required import ServiceUnavailableError

EXAMPLES = Path(__file__).parents[3] / "examples"
CLIENTS = ("go", "node", "shell")
_BUILD_SECONDS = 250.0


@cache
def go_client(folder: Path) -> Path:
    """Build the client in Go into a folder; return its program.

    Raises:
        ServiceUnavailableError: Go is missing, or the build failed.
    """
    binary = folder / "audit-client"
    kept = {name: text for name, text in environment.ORIGINAL.items() if name.startswith("GO")}
    variables = {**environment.for_service(), **kept, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOPROXY": "off"}
    command = [program("go"), "build", "-buildvcs=false", "-o", str(binary), "."]
    try:
        built = subprocess.run(
            command,
            cwd=EXAMPLES / "gateway" / "go",
            env=variables,
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        message = "the example client in Go was not built in time"
        raise ServiceUnavailableError(message) from exc
    if built.returncode != 0:
        message = f"the example client in Go cannot be built: {built.stderr[-500:]}"
        raise ServiceUnavailableError(message)
    return binary


def client_command(client: str, folder: Path) -> list[str]:
    """Return the command that runs a client.

    Args:
        client: ``go``, ``node`` or ``shell``.
        folder: Where programs are built.

    Raises:
        ServiceUnavailableError: What it needs is not installed.
    """
    match client:
        case "go":
            return [str(go_client(folder))]
        case "node":
            return [program("node"), str(EXAMPLES / "gateway" / "node" / "audit.mjs")]
        case _:
            program("curl")
            return [program("bash"), str(EXAMPLES / "gateway" / "shell" / "audit.sh")]


def start(command: list[str], lines: str, variables: Mapping[str, str], folder: Path) -> subprocess.Popen[str]:
    """Start a program whose standard input has these lines; its output goes to files ``out`` and ``err`` of the folder."""
    source = folder / "events.jsonl"
    source.write_text(lines)
    known = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    with source.open() as given, (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        return subprocess.Popen(
            command, stdin=given, stdout=out, stderr=err, env={**known, **variables}, cwd=folder, text=True
        )
