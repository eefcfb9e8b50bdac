from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from telemetry.ingest.bad_lines import BadLines
from telemetry.ingest.framing.frame import Frame


def test_lines_are_kept_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "bad"
    with BadLines(path) as bad:
        bad.write(Frame(b'{"a":"\xff', 1))
        bad.write(Frame(b'{\n"a":\r\n1', item=2))
        bad.write(Frame(b"first ", 3, is_part=True))
        bad.write(Frame(b"second", 3))

    assert path.read_bytes() == b'{"a":"\xff\n{ "a":  1\nfirst second\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_file_and_link_in_the_way_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "file")

    with pytest.raises(FileExistsError):
        BadLines(tmp_path / "file")
    with pytest.raises(OSError, match="symbolic link"):
        BadLines(tmp_path / "link", known_bytes=0)


def test_line_that_a_broken_import_had_written_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "bad"
    with BadLines(path) as bad:
        bad.write(Frame(b"a", 1))
        known = bad.sync()
        bad.write(Frame(b"b", 2))
        bad.write(Frame(b"b", 3))

    with BadLines(path, known_bytes=known) as bad:
        for line, data in enumerate((b"b", b"b", b"b", b"c"), 2):
            bad.write(Frame(data, line))

    assert path.read_bytes() == b"a\nb\nb\nb\nc\n"


def test_torn_line_is_written_again_whole(tmp_path: Path) -> None:
    path = tmp_path / "bad"
    with BadLines(path) as bad:
        bad.write(Frame(b"a", 1))
        known = bad.sync()
        bad.write(Frame(b"b", 2))
    with path.open("ab") as stream:
        stream.write(b"a power cut left th")

    with BadLines(path, known_bytes=known) as bad:
        bad.write(Frame(b"b", 2))
        bad.write(Frame(b"a power cut left this", 3))

    assert path.read_bytes() == b"a\nb\na power cut left this\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of this kind")
def test_full_disk_keeps_whole_lines_only(tmp_path: Path) -> None:
    import resource  # noqa: PLC0415 - not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = tmp_path / "bad"
    with BadLines(path) as bad:
        bad.write(Frame(b"a", 1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
        try:
            with pytest.raises(OSError, match="too large"):
                bad.write(Frame(b"longer than what is left", 2))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_bytes() == b"a\n"
        bad.write(Frame(b"b", 3))

    assert path.read_bytes() == b"a\nb\n"


def test_broken_import_whose_file_was_moved_away(tmp_path: Path) -> None:
    with BadLines(tmp_path / "bad", known_bytes=100) as bad:
        bad.write(Frame(b"a", 1))

    assert (tmp_path / "bad").read_bytes() == b"a\n"
