"""L sets environment variables of the service: what its file does not believe is believed then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.attacks.planted import plant, stored
from tests.attacks.site import Site
from tests.support.in_process import run
from tests.support.written_trail import Signer


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FALLBACK_SIBLING_KEYS", json.dumps([Signer(7, "attacker").public_key])),
        ("FORMER_STORAGE_SECRETS", '["the attacker knows this one"]'),
        ("ACCEPT_UNMARKED_UNTIL", "2099-01-01"),
    ],
)
def test_variable_does_not_name_what_a_replay_believes(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    file = site.service_file(accept_unmarked_until="2026-01-01")
    store = tmp_path / "fallback"
    store.mkdir(mode=0o700)
    forged = site.writer(9)
    plant(store, stored([forged.event("wire_transfer")], first=0), producer=forged.producer)
    monkeypatch.setenv(f"TELEMETRY_AUDIT_CONFIG__{variable}", value)

    ended = run("fallback", "replay", "-c", str(file), "--fallback-path", str(store))

    assert site.records() == []
    assert ended.code == 2
    assert variable in ended.err
