from __future__ import annotations

import sys

import pytest

from telemetry.cli.feeding.metrics_option import serving_metrics
from telemetry.exceptions import MissingExtraError


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "opentelemetry.exporter.prometheus"])
def test_what_is_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)

    with serving_metrics(None, service="shop"):
        pass
    with (
        pytest.raises(MissingExtraError, match=r"--metrics-listen .*telemetry-audit\[serve\]"),
        serving_metrics("http://127.0.0.1:0", service="shop"),
    ):
        pytest.fail("nothing can be served")
