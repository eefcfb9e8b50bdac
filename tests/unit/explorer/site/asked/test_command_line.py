from __future__ import annotations

import shlex
import subprocess
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from telemetry.explorer.site.asked.asking import Asked, read_asked
from telemetry.explorer.site.asked.command_line import command_line, quoted

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def _asked(**values: str) -> Asked:
    return read_asked(urlencode(values).encode(), now=NOW, is_open=True)


def test_command_asks_for_the_same() -> None:
    line = command_line(_asked(user="ada", type="login*", adjusted="1"), base=["--config=telemetry.toml"])

    assert line == "telemetry export --config=telemetry.toml --user=ada '--type=login*' --adjusted"


@pytest.mark.parametrize("text", ["$(id)", "`id`", "a'b", 'a"b', "; rm x", "-o x", "!!", "*", "a\\'b", "é ü"])
def test_shell_runs_nothing_of_a_value(text: str) -> None:
    line = command_line(_asked(user=text), base=[])

    assert line is not None
    assert shlex.split(line) == ["telemetry", "export", f"--user={text}"]


@pytest.mark.parametrize("text", ["a\nb", "\u202eevil", "tab\there", "\x1b[31m", "\U000e0001", "x'\n\\"])
def test_unseen_characters_are_escapes_of_the_shell(text: str) -> None:
    word = quoted(text)

    assert word.isprintable()
    done = subprocess.run(
        ["bash", "-c", f"printf %s {word}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert done.stdout.decode() == text


@pytest.mark.parametrize("values", [{"proven": "no"}, {"service": "/p/s"}, {"text": "x" * 1_000, "user": "y" * 4_000}])
def test_no_command_where_none_does_the_same(values: dict[str, str]) -> None:
    assert command_line(_asked(**values), base=["-c", "x" * 3_500]) is None
