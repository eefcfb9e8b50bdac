"""Mounts real file systems that become full or read-only, or that fail, some for a while only."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.services.required import unavailable

_EXT4_SHUTDOWN = 0x8004587D
"""``EXT4_IOC_SHUTDOWN``: from then on every operation on the file system fails with EIO."""
_WITHOUT_FLUSHING_THE_LOG = (2).to_bytes(4, sys.byteorder)
_IMAGE_BYTES = 24 << 20


class Disk:
    """A mounted file system.

    Args:
        folder: Where it is mounted.
        source: The image, or the name of a file system without one.
        options: Of the first mount.
    """

    def __init__(self, folder: Path, *, kind: str, source: Path | str, options: str) -> None:
        self.folder = folder
        self._kind = kind
        self._source = source
        self._options = options

    def mount(self) -> None:
        """Mount it; skips the test, or fails it under ``REQUIRE_SERVICES``, where that is not allowed."""
        if not hasattr(os, "geteuid") or os.geteuid() != 0:
            unavailable("mounting a file system needs root")
        self.folder.mkdir(parents=True, exist_ok=True)
        done = _run("mount", "-t", self._kind, "-o", self._options, str(self._source), str(self.folder))
        if done.returncode != 0:
            unavailable(f"root may not mount a file system here: {done.stderr.strip()}")

    def unmount(self) -> None:
        """Unmount it, even if files are open in it."""
        _run("umount", "--lazy", str(self.folder))

    def remount(self, options: str) -> None:
        """Change its options."""
        assert _run("mount", "-o", f"remount,{options}", str(self.folder)).returncode == 0

    def fail(self) -> None:
        """Make every operation fail with EIO until it is mounted again (ext4)."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _EXT4_SHUTDOWN, _WITHOUT_FLUSHING_THE_LOG)
        finally:
            os.close(handle)


@contextmanager
def small_disk(folder: Path, *, size: str) -> Iterator[Disk]:
    """A file system in memory of a size (``2m``); :meth:`Disk.remount` with ``size=`` gives it more."""
    yield from _mounted(Disk(folder, kind="tmpfs", source="tmpfs", options=f"size={size}"))


@contextmanager
def ext4_disk(folder: Path, image: Path) -> Iterator[Disk]:
    """An ext4 file system in a file, which can fail."""
    with image.open("wb") as file:
        file.truncate(_IMAGE_BYTES)
    try:
        made_fs = _run("mkfs.ext4", "-q", "-E", "nodiscard", str(image))
    except FileNotFoundError:
        unavailable("mkfs.ext4 is not installed")
    assert made_fs.returncode == 0, made_fs.stderr
    yield from _mounted(Disk(folder, kind="ext4", source=image, options="loop"))


@contextmanager
def failing_writes(path: Path) -> Iterator[None]:
    """Make this process's writes to an open file fail with EIO, as on a broken disk, and repair it at the end.

    The file's descriptor is replaced by one for memory that another process does not have: the kernel answers EIO.
    """
    with ExitStack() as stack:
        owner = stack.enter_context(subprocess.Popen(["sleep", "600"]))
        stack.callback(owner.kill)
        broken = os.open(f"/proc/{owner.pid}/mem", os.O_RDWR)
        stack.callback(os.close, broken)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            os.pwrite(broken, b"x", 1 << 16)
        for handle in _handles_of(path):
            kept = os.dup(handle)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, handle)
            os.dup2(broken, handle)
        yield


def _handles_of(path: Path) -> list[int]:
    found = [
        int(entry.name) for entry in Path("/proc/self/fd").iterdir() if os.path.realpath(entry) == str(path.resolve())
    ]
    assert found, f"{path} is not open"
    return found


def _mounted(disk: Disk) -> Iterator[Disk]:
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
