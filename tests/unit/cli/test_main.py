from __future__ import annotations

import subprocess
import sys

import pytest

from telemetry.cli import main
from telemetry.version import __version__


def _main(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["telemetry", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


@pytest.mark.parametrize("absent", ["typer", "rich"])
def test_absent_extra_is_named(absent: str) -> None:
    code = f"import sys; sys.modules[{absent!r}] = None; sys.argv = ['telemetry', 'tail']; import telemetry.__main__ as m; m.main()"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)

    assert done.returncode == 2
    assert "pip install 'telemetry-audit[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_version_alone_is_answered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["telemetry", "--version"])

    main()

    assert capsys.readouterr().out == f"telemetry {__version__}\n"


def test_unknown_option_ends_with_two(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _main(monkeypatch, "--no-such-option") == 2


@pytest.mark.parametrize(
    "words",
    [[b"verify", b"-c", b"caf\xe9.toml"], [b"tail", b"--user", b"\xff"], [b"caf\xe9"], [b"--version", b"\xfe"]],
)
def test_words_that_are_no_text_end_with_two(words: list[bytes]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "telemetry", *words], capture_output=True, text=True, timeout=100, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "error: the command line has bytes that are not UTF-8; rename the file, or check the terminal's encoding"
    ]
