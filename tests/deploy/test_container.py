"""The image: linted, pinned, without root and shell; and its steps, which are run here where no image can be built."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.services import environment
from tests.services.deploy_tools import checked, hadolint_program, run_tool
from tests.support.chart import CHART, ROOT
from tests.support.containerfile import FOLDER, context, instructions

_STEP_SECONDS = 600.0


def test_hadolint_has_no_objection() -> None:
    command = [str(checked(hadolint_program)), "--config", "hadolint.yaml", "--no-color", "Containerfile"]
    done = run_tool(command, folder=FOLDER)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_every_base_is_pinned_by_a_digest_that_must_be_given() -> None:
    bases = [found.text for found in instructions() if found.name == "FROM"]
    assert len(bases) == 2
    assert all(base.removesuffix(" AS build") == "${PYTHON_IMAGE}:${PYTHON_TAG}@${PYTHON_DIGEST}" for base in bases)
    arguments = [found.text for found in instructions() if found.name == "ARG"]
    assert "PYTHON_DIGEST" in arguments, "a default would be used unnoticed"


def test_the_image_runs_as_a_number_and_without_a_shell() -> None:
    last = [found for found in instructions() if found.stage == 1]
    (user,) = [found.text for found in last if found.name == "USER"]
    assert re.fullmatch(r"[1-9][0-9]*:[1-9][0-9]*", user)
    values = (CHART / "values.yaml").read_text()
    assert f"runAsUser: {user.partition(':')[0]}" in values
    assert [found.words for found in last if found.name in ("ENTRYPOINT", "CMD")] == [["telemetry"], ["--help"]]
    assert not [found for found in last if found.name in ("RUN", "ADD", "VOLUME")]
    names = [found.name for found in last]
    assert names.index("COPY") < names.index("USER"), "what is copied belongs to root"


def test_nothing_is_installed_without_a_digest() -> None:
    for found in instructions():
        if found.name == "RUN":
            words = found.words
            if "install" in words:
                assert "--require-hashes" in words or {"--no-index", "--no-deps"} <= set(words), words
            if "build" in words:
                assert "--require-hashes" in words, words


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    seen = context()
    copied = [
        word
        for found in instructions()
        if found.name == "COPY" and not found.text.startswith("--from")
        for word in found.text.split()[:-1]
    ]
    for name in copied:
        assert any(file == name or file.startswith(f"{name}/") for file in seen), name
    assert {file.partition("/")[0] for file in seen} == {
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "requirements",
        "src",
    }
    assert {file for file in seen if file.startswith("requirements/")} == {name for name in copied if "/" in name}
    ignored = (ROOT / ".containerignore").read_text()
    assert ignored == (FOLDER / "Containerfile.dockerignore").read_text(), "the name that Docker looks for"


def test_the_lock_of_the_image_has_the_extras_that_commands_need() -> None:
    extras = re.search(r"^IMAGE_EXTRAS := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert extras is not None
    lock = (ROOT / "requirements/image.txt").read_text().lower()
    optional = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras[1].split()) <= optional.keys()
    for extra in extras[1].split():
        for requirement in optional[extra]:
            name = re.split(r"[\[<>=;\s]", requirement)[0].lower()
            assert f"\n{name}==" in lock, f"{name} of {extra}"


def test_versions_agree() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"ARG VERSION={version}" in (FOLDER / "Containerfile").read_text()
    chart = (CHART / "Chart.yaml").read_text()
    assert f'appVersion: "{version}"' in chart
    assert f"\nversion: {version}\n" in chart


@pytest.mark.skipif(os.environ.get("IMAGE_STEPS") != "1", reason="installs everything anew: make image-steps")
@pytest.mark.timeout(2_000)
def test_every_step_of_the_build_runs(tmp_path: Path) -> None:
    """What a builder does, in a folder in place of an image: copies what it sees, then runs each step without a shell."""
    seen = tmp_path / "context"
    for name in context():
        (seen / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, seen / name)
    root = tmp_path / "root"
    work = root / "build"
    work.mkdir(parents=True)
    variables = {
        name: value for name, value in environment.ORIGINAL.items() if not name.startswith(("PYTHON", "VIRTUAL"))
    }
    variables["PATH"] = f"{Path(sys.base_prefix) / 'bin'}:{os.defpath}"
    for found in [found for found in instructions() if found.stage == 0]:
        if found.name == "ENV":
            variables |= dict(pair.split("=") for pair in found.text.split())
        elif found.name == "COPY":
            *sources, target = found.text.split()
            for source in sources:
                whole = work / (f"{target}/{source}" if target.endswith("/") else target)
                whole.parent.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if (seen / source).is_dir() else shutil.copyfile
                copy(seen / source, whole)
        elif found.name == "RUN":
            words = [re.sub(r"^/(opt|wheels)", f"{root}/\\1", word) for word in found.words]
            done = subprocess.run(
                words, cwd=work, env=variables, capture_output=True, text=True, timeout=_STEP_SECONDS, check=False
            )
            assert done.returncode == 0, (words, done.stdout[-2_000:], done.stderr[-2_000:])
    made = subprocess.run(
        [str(root / "opt/telemetry/bin/telemetry"), "--version"],
        capture_output=True,
        text=True,
        env={},
        timeout=60,
        check=True,
    )
    assert made.stdout.strip().endswith("0.1.0")
