from __future__ import annotations

import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from telemetry.cli.app import app


@pytest.mark.parametrize("level", [logging.NOTSET, logging.WARNING])
@pytest.mark.parametrize("words", [["--verbose", "keys", "show", "absent"], ["doctor", "--faults", "absent"], ["keys"]])
def test_program_gets_its_logging_back(
    words: list[str],
    level: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger("telemetry")
    caplog.set_level(level, logger.name)
    handlers = list(logger.handlers)

    CliRunner().invoke(app, words)

    assert (logger.level, logger.propagate, logger.handlers) == (level, True, handlers)
    logging.getLogger("telemetry.audit").error("still heard")
    assert "still heard" in caplog.text
