"""Runs a program as a container would: with mounts of its own, as another user, on a root file system that is read-only.

Usage: pod_root.py PLAN, where PLAN is a file with JSON: see :class:`Plan`. Root starts it by ``unshare --mount``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TypedDict


class Plan(TypedDict):
    """What to do.

    Attributes:
        stage: Empty folder for what is moved.
        kept: Folders that must stay where they are, such as that of the interpreter.
        mounts: Sources and their places in the container.
        user: User and group.
        groups: Further groups.
        command: Program and arguments.
        variables: Its environment.
    """

    stage: str
    kept: list[str]
    mounts: list[tuple[str, str]]
    user: int
    groups: list[int]
    command: list[str]
    variables: dict[str, str]


_REPLACED = ("/etc", "/run", "/var/lib")
"""Where an image has folders that this machine does not have."""


def main() -> None:
    """Mount, become the user, and run the program."""
    plan: Plan = json.loads(Path(sys.argv[1]).read_text())
    stage = Path(plan["stage"])
    for number, folder in enumerate(plan["kept"]):
        moved = stage / str(number)
        moved.mkdir()
        _mount("--rbind", folder, str(moved))
    for place in _REPLACED:
        copy = stage / place.replace("/", "_")
        if place == "/etc":
            shutil.copytree(place, copy, symlinks=True, ignore_dangling_symlinks=True)
        else:
            copy.mkdir()
        _mount("--bind", str(copy), place)
    for source, place in plan["mounts"]:
        _point(Path(place), is_folder=Path(source).is_dir())
        _mount("--bind", source, place)
    for number, folder in enumerate(plan["kept"]):
        _show(stage / str(number), Path(folder), stage)
    _mount("-o", "remount,bind,ro", "/")
    os.setgroups(plan["groups"])
    os.setgid(plan["user"])
    os.setuid(plan["user"])
    os.chdir("/")
    os.execve(plan["command"][0], plan["command"], plan["variables"])  # noqa: S606 - a shell would be in the way of signals


def _point(place: Path, *, is_folder: bool) -> None:
    """Create what a file or folder is mounted over."""
    if is_folder:
        place.mkdir(parents=True, exist_ok=True)
    elif not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()


def _show(moved: Path, folder: Path, stage: Path) -> None:
    """Have a folder at its place again, also where others may not look into the folders above it."""
    closed = [above for above in reversed(folder.parents) if above.exists() and not above.stat().st_mode & 0o001]
    if closed:
        empty = stage / f"open{len(list(stage.iterdir()))}"
        empty.mkdir()
        empty.chmod(0o755)
        _mount("--bind", str(empty), str(closed[0]))
    folder.mkdir(parents=True, exist_ok=True)
    if not folder.samefile(moved):
        _mount("--rbind", str(moved), str(folder))


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


if __name__ == "__main__":
    os.umask(0o022)
    main()
