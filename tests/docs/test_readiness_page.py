"""The readiness endpoint of docs/operations.md answers as the page says."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry.testing import EmbeddedKafka
from tests.support.servers import lay_out


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with EmbeddedKafka() as kafka:
        lay_out(tmp_path, kafka.bootstrap_servers)
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(str(tmp_path))
        yield importlib.import_module("shop_ready")
    for name in ("shop_ready", "shop_wsgi"):
        sys.modules.pop(name, None)


def test_readiness_follows_start_and_shutdown(shop: Any) -> None:
    def asked(path: str) -> tuple[str, bytes]:
        told: list[str] = []
        (body,) = shop.application({"PATH_INFO": path}, lambda status, _headers: told.append(status))
        return told[0], body

    status, body = asked("/ready")
    assert status == "503 Service Unavailable"
    assert [reason["code"] for reason in json.loads(body)["reasons"]] == ["not_started"]

    shop.telemetry.start()
    status, body = asked("/ready")
    assert (status, json.loads(body)["ready"]) == ("200 OK", True)
    assert asked("/orders")[0] == "200 OK"

    shop.telemetry.shutdown(30)
    assert [reason["code"] for reason in json.loads(asked("/ready")[1])["reasons"]] == ["stopped"]
