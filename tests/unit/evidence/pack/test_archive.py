"""A pack has one form: whatever differs from it is refused, and named."""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest

from telemetry.evidence.pack.archive import MAX_ENTRY_BYTES, MAX_PACK_BYTES, Archive, ArchiveWriter
from telemetry.exceptions import FormatError

ID = "0198c0de-1111-7222-8333-444455556666"
FILES = {
    f"events/{ID}.json": b'{"a":1}\n',
    "index.html": b"<p>page</p>",
    "keys.txt": b"",
    f"proofs/{ID}.proof.json": b"{}" * 100,
    "manifest.json": b"{}\n",
    "manifest.note": b"note\n",
}
LOCAL, CENTRAL, END = 30, 46, 22


def written(files: dict[str, bytes] | list[str]) -> bytes:
    target = BytesIO()
    writer = ArchiveWriter(target)
    for name in files:
        writer.add(name, files[name] if isinstance(files, dict) else b"")
    writer.close()
    return target.getvalue()


PACK = written(FILES)


def refused(data: bytes) -> str:
    with pytest.raises(FormatError) as caught:
        Archive(BytesIO(data))
    return str(caught.value)


def test_files_come_back_in_their_order() -> None:
    archive = Archive(BytesIO(PACK))
    assert archive.names == list(FILES)
    assert {name: archive.read(name) for name in archive.names} == FILES
    assert all(archive.has_checksum(name, content) for name, content in FILES.items())
    assert not archive.has_checksum("index.html", b"other")


def test_other_programs_read_the_same() -> None:
    with ZipFile(BytesIO(PACK)) as other:
        assert other.testzip() is None
        assert {each.filename: other.read(each) for each in other.infolist()} == FILES
        for each in other.infolist():
            assert each.date_time == (1980, 1, 1, 0, 0, 0)
            assert stat.filemode(each.external_attr >> 16) == "-rw-------"
            assert (each.extra, each.comment, each.compress_type) == (b"", b"", ZIP_STORED)


def test_same_files_give_the_same_bytes() -> None:
    assert written(FILES) == PACK


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["index.html", "index.html"], "two files 'index.html'"),
        (["keys.txt", "index.html"], "not in its place"),
        (["manifest.json", "index.html"], "not in its place"),
        (["manifest.note", "manifest.json"], "not in its place"),
        (["../index.html"], "which no pack has"),
        (["/index.html"], "which no pack has"),
        (["events\\x.json"], "which no pack has"),
        (["events/"], "which no pack has"),
        (["events/../keys.txt"], "which no pack has"),
        (["index.html\x00.exe"], "which no pack has"),
        (["\u202eindex.html"], "which no pack has"),
        (["INDEX.HTML"], "which no pack has"),
        ([f"proofs/{ID}.json"], "which no pack has"),
    ],
)
def test_name_of_no_pack_is_not_written(names: list[str], reason: str) -> None:
    with pytest.raises(FormatError) as caught:
        written(names)
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


def test_file_that_is_too_large_is_not_written() -> None:
    with pytest.raises(FormatError, match="at most"):
        ArchiveWriter(BytesIO()).add("index.html", bytes(MAX_ENTRY_BYTES + 1))


@pytest.mark.parametrize("length", [0, 1, END - 1, END, len(PACK) // 2, len(PACK) - 1])
def test_cut_off_pack_is_refused(length: int) -> None:
    assert "not an evidence pack as it was written" in refused(PACK[:length])


def _insert(at: int, data: bytes) -> bytes:
    return PACK[:at] + data + PACK[at:]


def _set(at: int, data: bytes) -> bytes:
    return PACK[:at] + data + PACK[at + len(data) :]


DIRECTORY = struct.unpack_from("<I", PACK, len(PACK) - 6)[0]


@pytest.mark.parametrize(
    "altered",
    [
        pytest.param(_insert(0, b"#!/bin/sh\n"), id="program before it"),
        pytest.param(PACK + b"more", id="bytes after it"),
        pytest.param(_insert(DIRECTORY, b"gap"), id="bytes before the directory"),
        pytest.param(_set(len(PACK) - 2, b"\x01\x00") + b"x", id="comment"),
        pytest.param(_set(4, b"\x2d\x00"), id="version in a local header"),
        pytest.param(_set(6, b"\x01\x00"), id="encrypted in a local header"),
        pytest.param(_set(8, b"\x08\x00"), id="deflated in a local header"),
        pytest.param(_set(14, b"\xff"), id="checksum in a local header"),
        pytest.param(_set(18, b"\xff\xff"), id="size in a local header"),
        pytest.param(_set(LOCAL, b"E"), id="name in a local header"),
        pytest.param(_set(DIRECTORY + 8, b"\x01\x00"), id="encrypted in the directory"),
        pytest.param(_set(DIRECTORY + 10, b"\x08\x00"), id="deflated in the directory"),
        pytest.param(_set(DIRECTORY + 12, b"\x01"), id="time in the directory"),
        pytest.param(_set(DIRECTORY + 24, b"\xff\xff\xff\x7f"), id="size in the directory"),
        pytest.param(_set(DIRECTORY + 30, b"\x04\x00"), id="extra field"),
        pytest.param(_set(DIRECTORY + 38, b"\x00\x00\xff\xa1"), id="link"),
        pytest.param(_set(DIRECTORY + 42, b"\x01"), id="offset"),
        pytest.param(_set(DIRECTORY + CENTRAL, b"E"), id="name in the directory"),
        pytest.param(_set(len(PACK) - END + 8, b"\x05\x00\x05\x00"), id="number of entries"),
        pytest.param(_set(len(PACK) - END + 8, b"\x00\x00\x00\x00"), id="no entries"),
        pytest.param(_set(len(PACK) - END + 4, b"\x01\x00"), id="disk number"),
        pytest.param(_set(len(PACK) - 6, b"\x00\x00\x00\x00"), id="directory elsewhere"),
    ],
)
def test_other_form_is_refused(altered: bytes) -> None:
    assert altered != PACK
    reason = refused(altered)
    assert "not an evidence pack as it was written" in reason


def test_every_byte_of_the_form_counts() -> None:
    contents = set()
    for entry in Archive(BytesIO(PACK))._entries.values():
        contents |= set(range(entry.start, entry.end))
    for at in range(len(PACK)):
        altered = _set(at, bytes([PACK[at] ^ 0x20]))
        if at in contents:
            Archive(BytesIO(altered))
        else:
            refused(altered)


def _zip(fill: Callable[[ZipFile], None], *, compression: int = ZIP_STORED) -> bytes:
    target = BytesIO()
    with ZipFile(target, "w", compression) as archive:
        fill(archive)
    return target.getvalue()


def test_pack_of_another_program_is_refused() -> None:
    def fill(archive: ZipFile) -> None:
        for name, content in FILES.items():
            archive.writestr(ZipInfo(name), content)

    assert "stored, without extra fields" in refused(_zip(fill))


def test_bomb_is_refused_unread() -> None:
    bomb = _zip(lambda archive: archive.writestr("index.html", bytes(100 << 20)), compression=ZIP_DEFLATED)
    assert len(bomb) < 1 << 20
    assert "index.html" in refused(bomb)


def test_huge_directory_is_refused_unread() -> None:
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0, 0)
    assert "its end is cut off" in refused(bytes(100) + end)


def test_overlapping_entries_are_refused() -> None:
    # Two directory entries share one local file: a quine or a bomb of quadratic size.
    content, name = b"x" * 50, b"index.html"
    crc = zlib.crc32(content)
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 10, 0, 0, 0, 33, crc, 50, 50, len(name), 0) + name + content

    def central(named: bytes) -> bytes:
        fixed = (b"PK\x01\x02", 0x314, 10, 0, 0, 0, 33, crc, 50, 50, len(named), 0, 0, 0, 0, 0o100600 << 16, 0)
        return struct.pack("<4s6H3I5H2I", *fixed) + named

    directory = central(name) + central(b"keys.txt")
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 2, 2, len(directory), len(local), 0)
    assert "does not begin where the entry before it ends" in refused(local + directory + end)


def test_sparse_file_beyond_the_limit_is_refused() -> None:
    class Sparse(BytesIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            return MAX_PACK_BYTES + 1 if whence == 2 else super().seek(offset, whence)

    with pytest.raises(FormatError, match="a pack has"):
        Archive(Sparse(PACK))
