from __future__ import annotations

import resource
from typing import Any

import pytest

from telemetry.gateway.server.descriptors import needed_descriptors, raise_descriptor_limit


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The limits of a process, which a test sets; nothing changes those of this one."""
    kept = [(1_024, 4_096)]

    def put(_which: int, values: Any) -> None:
        kept[0] = values

    monkeypatch.setattr(resource, "getrlimit", lambda _which: kept[0])
    monkeypatch.setattr(resource, "setrlimit", put)
    return kept


def test_a_gateway_needs_connections_and_segments() -> None:
    assert needed_descriptors(connections=1_000, streams=1_000) == 3_256


@pytest.mark.parametrize(
    ("before", "needed", "after", "warns"),
    [
        ((1_024, 4_096), 3_256, (3_256, 4_096), False),
        ((1_024, 2_000), 3_256, (2_000, 2_000), True),
        ((8_192, 8_192), 3_256, (8_192, 8_192), False),
        ((1_024, resource.RLIM_INFINITY), 3_256, (3_256, resource.RLIM_INFINITY), False),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), 3_256, (resource.RLIM_INFINITY,) * 2, False),
    ],
    ids=["raised", "too_low", "enough", "unlimited", "no_limit"],
)
def test_the_limit_is_raised_as_far_as_it_may(
    limits: list[tuple[int, int]],
    caplog: pytest.LogCaptureFixture,
    before: tuple[int, int],
    needed: int,
    after: tuple[int, int],
    warns: bool,
) -> None:
    limits[0] = before

    assert raise_descriptor_limit(needed) == after[0]
    assert limits[0] == after
    assert ("the limit of open files" in caplog.text) is warns
