"""What is exported to a terminal cannot steer it, also where a character is divided between two writes."""

from __future__ import annotations

import io
import json

from telemetry.cli.output.terminal import TerminalStream


def test_json_line_means_the_same_and_is_harmless() -> None:
    target = io.BytesIO()
    line = json.dumps({"a": "\x9b1m\u202e ü"}, ensure_ascii=False).encode() + b"\n"
    stream = TerminalStream(target)

    for start in range(0, len(line), 3):
        stream.write(line[start : start + 3])
    stream.flush()

    assert json.loads(target.getvalue()) == json.loads(line)
    assert target.getvalue().decode() == '{"a": "\\u009b1m\\u202e ü"}\n'


def test_lines_of_csv_stay_lines() -> None:
    target = io.BytesIO()
    TerminalStream(target).write(b'"a\x1b[2J","b\rc"\r\n"\xff"\r\n')
    assert target.getvalue() == b'"a\\u001b[2J","b\\u000dc"\n"\\xff"\n'
