"""Our checkpoints and proofs, judged by an implementation that is not ours: golang.org/x/mod/sumdb."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.proof.consistency import consistency_path
from telemetry.format.proof.merkle import inclusion_path, leaf_hash
from tests.services import environment, required
from tests.services.fetch import program
from tests.services.required import ServiceUnavailableError
from tests.support.written_trail import Process, Signer

MODULE = Path(__file__).parent / "go_sumdb"
_BUILD_SECONDS = 110.0
_CHECK_SECONDS = 30.0
_SIZES = (1, 7, 8, 100, 130)

Check = Callable[[dict[str, Any]], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """Build the Go program; return what runs it."""
    binary = tmp_path_factory.mktemp("go") / "gosumdb"
    # The Go command finds modules and proxies as it does outside the tests.
    kept = {
        name: text
        for name, text in environment.ORIGINAL.items()
        if name.startswith(("GO", "SSL_")) or "PROXY" in name.upper()
    }
    variables = {
        **environment.for_service(),
        **kept,
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
    try:
        built = subprocess.run(
            [program("go"), "build", "-buildvcs=false", "-o", str(binary), "."],
            cwd=MODULE,
            env=variables,
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )
    except (ServiceUnavailableError, subprocess.TimeoutExpired) as exc:
        required.unavailable(f"Go checks the checkpoints, but: {exc}")
    if built.returncode != 0:
        required.unavailable(f"the Go program that checks the checkpoints cannot be built: {built.stderr[-500:]}")

    def run(given: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(binary)],
            input=json.dumps(given),
            env={"PATH": os.defpath},
            capture_output=True,
            text=True,
            timeout=_CHECK_SECONDS,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def trail() -> dict[str, Any]:
    """A process's records with checkpoints on the way, as the Go program reads them."""
    process = Process(signer=Signer(name="payments.example/2026"))
    values, older = [], []
    for number in range(1, _SIZES[-1] + 1):
        values.append(process.log().value or b"")
        if number in _SIZES:
            older.append((number, _note(process)))
    leaves = [leaf_hash(value) for value in values]
    return {
        "verifier": process.signer.public_key,
        "note": _note(process, final=True),
        "records": [_text(value) for value in values],
        "included": [
            {"index": index, "path": [_text(node) for node in inclusion_path(leaves, index)]}
            for index in range(len(leaves))
        ],
        "extends": [
            {"size": size, "note": note, "path": [_text(node) for node in consistency_path(leaves, size)]}
            for size, note in older
        ],
    }


def test_checkpoints_and_proofs_are_accepted(check: Check, trail: dict[str, Any]) -> None:
    checked = check(trail)
    assert (checked.stdout, checked.stderr, checked.returncode) == ("ok\n", "", 0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"verifier": Signer(2, "payments.example/2026").public_key}, "note"),
        ({"note": "\u2014"}, "note"),
        ({"records": []}, "tree"),
    ],
)
def test_program_refuses_a_wrong_checkpoint(
    check: Check, trail: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    checked = check({**trail, **changes})
    assert checked.returncode == 1
    assert reason in checked.stderr


def test_program_refuses_altered_record_and_proof(check: Check, trail: dict[str, Any]) -> None:
    records = [*trail["records"][:-1], _text(b"altered")]
    assert "make the root" in check({**trail, "records": records}).stderr
    path = [trail["included"][0]["path"][0], *trail["included"][1]["path"][1:]]
    assert "inclusion of 1" in check({**trail, "included": [{"index": 1, "path": path}]}).stderr
    first, second = trail["extends"][1], trail["extends"][3]
    assert "consistency" in check({**trail, "extends": [{**first, "path": second["path"]}]}).stderr


def _note(process: Process, *, final: bool = False) -> str:
    message = decode_checkpoint_message(process.checkpoint(final=final).value or b"")
    assert message is not None
    return message.data


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
