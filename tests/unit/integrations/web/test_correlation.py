from __future__ import annotations

from uuid import UUID

import pytest

from telemetry.integrations.web.correlation import correlation_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    "given", ["7", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "Root=1-67891233-abcdef012345678912345678", "a" * 128]
)
def test_request_id_is_taken(given: str) -> None:
    assert correlation_id(given, traceparent=PARENT) == given


@pytest.mark.parametrize("given", ["", " ", "a b", "a\nb", "a\x85b", "é", "<script>", "a" * 129, "a,b", "-a", "٣"])
def test_what_is_no_id_gives_way_to_the_trace(given: str) -> None:
    assert correlation_id(given, traceparent=PARENT) == TRACE


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "x",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        PARENT.upper(),
        PARENT + "-" * 300,
    ],
)
def test_bad_trace_gives_way_to_a_new_id(given: str | None) -> None:
    found = {correlation_id(None, traceparent=given) for _ in range(2)}

    assert len(found) == 2
    assert all(UUID(one).version == 7 for one in found)


def test_later_version_of_traceparent_is_read() -> None:
    assert correlation_id(None, traceparent=f"cc-{TRACE}-00f067aa0ba902b7-01-more") == TRACE
