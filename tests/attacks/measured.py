"""Runs code in a process of its own and reports the most memory that it had: a peak of the test's process says nothing.

As a program: ``python -m tests.attacks.measured PEAK_FILE MODULE ARGUMENT...`` runs a module with its arguments.
"""

from __future__ import annotations

import atexit
import resource
import runpy
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).parents[2]
_STATUS = Path("/proc/self/status")
_LIMIT_SECONDS = 240.0
_ADDRESS_SPACE = 6 << 30
"""Bytes that a child may map, so that an attack which succeeds ends the child and not the machine."""


_UNIT = 1 if sys.platform == "darwin" else 1 << 10


class Measured(NamedTuple):
    """How a child ended.

    Attributes:
        code: Exit code.
        out: Standard output.
        err: Standard error.
        peak: Most bytes that were resident.
        fetching: Most bytes that were resident in a process which it started, as a reader does to fetch.
    """

    code: int
    out: bytes
    err: str
    peak: int
    fetching: int


def measured(module: str, *arguments: str, folder: Path) -> Measured:
    """Run a module as a program and measure it.

    Args:
        module: Name of the module, for example ``telemetry``.
        arguments: Its arguments.
        folder: Receives a file with the peak.
    """
    peak = folder / "peak"
    done = subprocess.run(
        [sys.executable, "-m", "tests.attacks.measured", str(peak), module, *arguments],
        cwd=_ROOT,
        capture_output=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    assert peak.exists(), done.stderr.decode()
    own, children = map(int, peak.read_text().split())
    return Measured(done.returncode, done.stdout, done.stderr.decode(), own, children)


def _peak_bytes() -> int:
    # getrusage() counts what the process was before exec() too, and that is the whole test process.
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT


def _children_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _UNIT


def _main() -> None:
    peak, module = Path(sys.argv[1]), sys.argv[2]
    sys.argv[1:] = sys.argv[3:]
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    atexit.register(lambda: peak.write_text(f"{_peak_bytes()} {_children_bytes()}"))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
