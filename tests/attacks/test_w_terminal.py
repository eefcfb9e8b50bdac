"""W writes what a terminal obeys: it erases lines above, sets a title, or shows text in another order."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.format.objects.fallback_object import StoredRecord
from tests.attacks.forge import Writer
from tests.attacks.planted import plant, stored
from tests.attacks.site import Site
from tests.support.in_process import run

_ESCAPES = "\x1b[1A\x1b[2K\x1b]0;pwned\x07"
_C1 = "\u009b2J"
_BIDI = "\u202e\u2066"
_OBEYED = ("\x1b", "\u009b", "\u202e", "\u2066")
_ROOT = Path(__file__).parents[2]


def on_terminal(*arguments: str) -> str:
    """Return what a command writes to a terminal of its own."""
    control, terminal = pty.openpty()
    command = [sys.executable, "-m", "telemetry", *arguments]
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=terminal, stderr=subprocess.PIPE):
        os.close(terminal)
        written = b""
        try:
            while part := os.read(control, 65_536):
                written += part
        except OSError:
            pass  # the other end is closed: the program has ended
        finally:
            os.close(control)
    return written.decode()


def test_lineage_prints_no_escape_of_a_forged_time(site: Site) -> None:
    genuine = site.writer()
    event = genuine.event()
    # The same id, which is public, and no key.
    forged = Writer(producer=genuine.producer, is_sealed=False).event(time="MOMENT")
    forged = forged._replace(value=(forged.value or b"").replace(b"MOMENT", json.dumps(_ESCAPES)[1:-1].encode()))
    site.put([event, forged])
    event_id = event.value.partition(b'"id":"')[2][:36].decode() if event.value else ""

    ended = site.run("lineage", event_id)

    assert event_id.encode() in ended.out
    assert b"\x1b" not in ended.out
    assert "\x1b" not in ended.err


def test_coverage_survives_markup_in_a_forged_time(site: Site) -> None:
    site.put([Writer(is_sealed=False).event("odd[bold]", time="[/never]")])

    # An error that the command does not handle fails the test.
    ended = run("catalog", "coverage", "--catalog", "telemetry.catalog.builtin:builtin", "-c", str(site.file))

    assert ended.code == 0
    assert "[/never]" in ended.out.decode()


def test_json_of_tail_is_neutral_on_a_terminal(site: Site) -> None:
    site.put([site.writer().event(f"login{_C1}", user=f"alice{_BIDI}")])

    shown = on_terminal("tail", "--json", "-c", str(site.file))

    assert "alice" in shown
    assert [character for character in _OBEYED if character in shown] == []


def test_json_of_lineage_is_neutral_on_a_terminal(site: Site) -> None:
    event = Writer(3, is_sealed=False).event(f"login{_C1}", user=f"alice{_BIDI}")
    site.put([event])
    event_id = event.value.partition(b'"id":"')[2][:36].decode() if event.value else ""

    shown = on_terminal("lineage", event_id, "--json", "-c", str(site.file))

    assert event_id in shown
    assert [character for character in _OBEYED if character in shown] == []


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of the fallback store, as the service left it."""
    folder = tmp_path / "fallback"
    folder.mkdir(mode=0o700)
    return folder


def test_fallback_show_is_neutral_on_a_terminal(site: Site, store: Path) -> None:
    forged = Writer(3, is_sealed=False)
    path = plant(store, stored([forged.event(f"login{_C1}{_BIDI}")], first=0), producer=forged.producer)

    name = path.relative_to(store).as_posix()
    shown = on_terminal("fallback", "show", name, "-c", str(site.file), "--fallback-path", str(store))

    assert forged.producer in shown
    assert [character for character in _OBEYED if character in shown] == []


@pytest.mark.parametrize("value", [b"hello", b"[1]", b"{", b"1", b'"text"', b"", b"[" * 2_000], ids=repr)
def test_fallback_show_survives_junk(site: Site, store: Path, value: bytes) -> None:
    producer = "0198c0de-ffff-7000-8000-000000000001"
    path = plant(store, [StoredRecord(b"key", value, 0)], producer=producer)

    name = path.relative_to(store).as_posix()
    # An error that the command does not handle fails the test.
    ended = run("fallback", "show", name, "-c", str(site.file), "--fallback-path", str(store))

    assert ended.code in (0, 3), ended.err
