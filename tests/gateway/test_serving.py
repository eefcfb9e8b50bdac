from __future__ import annotations

from pathlib import Path

import httpx

from tests.support.gateway.served import Served, local_config


def test_process_answers_that_it_is_alive_and_ends(tmp_path: Path) -> None:
    with Served(local_config(tmp_path), tmp_path, "--listen", "http://127.0.0.1:0") as served:
        for address in served.addresses:
            assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}

        assert served.end() == 0

    assert "Traceback" not in served.errors()
