"""Without the libraries of the archive, its commands say which extra to install."""

from __future__ import annotations

import sys

import pytest

from tests.support.in_process import run


@pytest.mark.parametrize("library", ["pyarrow", "pyiceberg", "fsspec"])
@pytest.mark.parametrize("words", [(), ("status",), ("seal",)])
def test_missing_library(monkeypatch: pytest.MonkeyPatch, library: str, words: tuple[str, ...]) -> None:
    monkeypatch.setitem(sys.modules, library, None)

    done = run("archive", *words)

    assert done.code == 2
    assert "pip install 'telemetry-audit[archive]'" in " ".join(done.err.split())
