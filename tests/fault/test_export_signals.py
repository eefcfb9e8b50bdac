"""A signal in the middle of an export leaves no part of a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.until import until


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_signal_leaves_no_part_of_a_file(tmp_path: Path, number: signal.Signals, code: int) -> None:
    pipe, folder = tmp_path / "records", tmp_path / "out"
    os.mkfifo(pipe)
    folder.mkdir()
    arguments = (
        "export",
        "--sealed",
        "--brokers",
        "127.0.0.1:1",
        "--security-protocol",
        "PLAINTEXT",
        "--file",
        str(pipe),
    )
    command = [sys.executable, "-m", "telemetry", *arguments, "-o", str(folder / "evidence.jsonl")]
    writers: list[int] = []

    def is_read() -> bool:
        # A pipe can be opened for writing without waiting once somebody reads it.
        with suppress(OSError):
            writers.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(writers)

    # The command respects that a hangup is ignored, as `nohup` has it, which may have started the tests.
    outside = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        signal.signal(signal.SIGHUP, outside)
        try:
            until(is_read)
            begun = [file.suffix for file in folder.iterdir()]
            process.send_signal(number)
            _, err = process.communicate(timeout=100)
        finally:
            process.kill()
            for writer in writers:
                os.close(writer)

    assert begun == [".part"]
    assert process.returncode == code, err
    assert list(folder.iterdir()) == []
