"""Finds the Python that runs a helper process."""

from __future__ import annotations

import sys
from pathlib import Path


def python() -> str:
    """Return the path of this Python, or the name under which a shell would find one."""
    # Inside uWSGI and other embedders sys.executable is the embedder.
    names = (sys.executable, f"{sys.exec_prefix}/bin/python3", f"{sys.base_exec_prefix}/bin/python3")
    return next((name for name in names if name and "python" in Path(name).name and Path(name).exists()), "python3")
