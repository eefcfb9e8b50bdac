from __future__ import annotations

import pytest

from tests.services.required import unavailable


def test_missing_service_skips_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="mvn is not installed"):
        unavailable("mvn is not installed")


def test_missing_service_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="mvn is not installed"):
        unavailable("mvn is not installed")
