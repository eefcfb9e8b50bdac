"""Creates a virtual environment with the locked packages and this project in it, unless it is up to date.

Usage: setup.py FOLDER REQUIREMENTS

Any Python from 3.7 on can run this file, so that an old one can report what is missing. PYTHON in the environment names
the interpreter to use; without it an existing environment keeps its own, and a new one gets the first that is recent
enough. Every download is checked against the digests in the requirements files.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
NEWEST_TRIED = 14
ROOT = Path(__file__).resolve().parent.parent
INPUTS = (".ci/setup.py", "pyproject.toml", "requirements/bootstrap.txt")
# Variables that would lead pip or uv to another environment than this one.
DISTURBING = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH")


def main() -> None:
    """Create or update the environment."""
    folder, requirements = Path(sys.argv[1]), sys.argv[2]
    os.chdir(ROOT)
    python, stamp = folder / "bin" / "python", folder / "installed.sha256"
    present, chosen = describe(str(python)), os.environ.get("PYTHON")
    fits = present is not None and (not chosen or describe(chosen) == present)
    digest = digest_of([*INPUTS, requirements])
    if fits and stamp.exists() and stamp.read_text() == digest:
        return
    if not fits:
        create_environment(choose_python(chosen), folder)
    install(str(python), requirements)
    stamp.write_text(digest)


def choose_python(chosen: str | None) -> str:
    """Return an interpreter that is recent enough."""
    others = [f"python3.{minor}" for minor in range(NEWEST_TRIED, OLDEST[1] - 1, -1)]
    candidates = [chosen] if chosen else [sys.executable, *others]
    for candidate in candidates:
        if describe(candidate):
            return candidate
    wanted = ".".join(str(number) for number in OLDEST)
    sys.exit(
        f"Python {wanted} or later is needed, but {candidates[0]} is older or missing: install it, or set PYTHON=python{wanted}"
    )


def describe(python: str) -> str | None:
    """Return version and home of an interpreter that runs and is recent enough."""
    if not shutil.which(python):
        return None
    script = f"import sys; print(sys.version_info[:2] >= {OLDEST}, sys.version_info[:3], sys.base_prefix)"
    done = subprocess.run([python, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    description = done.stdout.decode().strip()
    return description if description.startswith("True") else None


def create_environment(python: str, folder: Path) -> None:
    """Create a fresh environment."""
    print(f"set-up: creating {folder} with {python}", flush=True)
    if subprocess.run([python, "-m", "venv", "--clear", str(folder)], check=False).returncode:
        sys.exit(f"{python} -m venv failed: on Debian and Ubuntu install the package python3-venv first")


def install(python: str, requirements: str) -> None:
    """Install the locked packages, no others, and the project itself so that its source is used in place."""
    print(f"set-up: installing what {requirements} lists (a minute or two the first time)", flush=True)
    clean = {name: value for name, value in os.environ.items() if name not in DISTURBING}
    clean["UV_PYTHON_DOWNLOADS"] = "never"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    uv = [str(Path(python).with_name("uv")), "--quiet", "pip"]
    steps = (
        [*pip, "--require-hashes", "--no-deps", "-r", "requirements/bootstrap.txt"],
        [*uv, "sync", "--python", python, "--compile-bytecode", "--require-hashes", requirements],
        [*uv, "install", "--python", python, "--no-deps", "--no-build-isolation", "--editable", "."],
    )
    for step in steps:
        if subprocess.run(step, env=clean, check=False).returncode:
            sys.exit(f"set-up failed: {' '.join(step)}")


def digest_of(names: list[str]) -> str:
    """Return one digest over several files."""
    whole = hashlib.sha256()
    for name in names:
        whole.update(hashlib.sha256(Path(name).read_bytes()).digest())
    return whole.hexdigest()


main()
