"""The header of a task's message: signed or claimed, bounded, bound to its task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.exceptions import ConfigurationError
from telemetry.integrations.celery.task_header import TaskHeader

SECRET = b"s" * 32
CONTEXT = {"user_id": 7, "correlation_id": "c", "ip_address": "192.0.2.1", "reason": "private"}
PLACE = {"task_id": "id", "task": "shop.refund"}
CLAIMED = {"claimed_by": "celery"}


def test_signed_header_is_believed() -> None:
    header = TaskHeader(SECRET)

    assert header.read(header.written(CONTEXT, **PLACE), **PLACE) == {"user_id": "7", "correlation_id": "c"}
    assert header.read(header.written({}, **PLACE), **PLACE) == {}


def test_header_without_secret_is_claimed() -> None:
    header = TaskHeader(None)

    assert header.read(header.written(CONTEXT, **PLACE), **PLACE) == {"user_id": "7", "correlation_id": "c"} | CLAIMED
    assert header.read(None, **PLACE) == {}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"fields": {"user_id": "eve"}}, {}),
        ({"mac": "0" * 64}, {}),
        ({"mac": None}, {}),
        ({"mac": "\u00e9" * 64}, {}),
        ({"v": 2}, {}),
        ({"fields": {"user_id": "7", "ip_address": "x"}}, {}),
        ({"fields": {"user_id": ["7"]}}, {}),
        ({"fields": {"user_id": "x" * 2_000}}, {}),
        ({}, {"task_id": "other"}),
        ({}, {"task": "shop.delete"}),
    ],
)
def test_forged_header_names_nobody(change: dict[str, Any], place: dict[str, str]) -> None:
    header = TaskHeader(SECRET)
    value = header.written(CONTEXT, **PLACE) | change

    assert header.read(value, **(PLACE | place)) == CLAIMED


def test_missing_signature_names_nobody() -> None:
    assert TaskHeader(SECRET).read(None, **PLACE) == CLAIMED
    assert TaskHeader(SECRET).read(TaskHeader(None).written(CONTEXT, **PLACE), **PLACE) == CLAIMED


def test_long_users_stay_two() -> None:
    header = TaskHeader(SECRET)
    users = {header.written({"user_id": "x" * 2_000 + end}, **PLACE)["fields"]["user_id"] for end in "ab"}

    assert len(users) == 2
    assert max(map(len, users)) <= 1_024


@pytest.mark.parametrize("kind", ["root", "", "USER", 7, ["user"], {"user": 1}])
def test_unknown_kind_of_actor_names_nobody(kind: Any) -> None:
    header = {"v": 1, "fields": {"user_id": "ada", "actor_type": kind}}

    assert TaskHeader(None).read(header, **PLACE) == CLAIMED


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["v", "fields", "mac", "user_id"]), inner),
    )
)
def test_rubbish_names_nobody(value: Any) -> None:
    assert TaskHeader(SECRET).read(value, **PLACE) == CLAIMED
    assert TaskHeader(None).read(value, **PLACE) in ({}, CLAIMED)


@pytest.mark.parametrize("given", [{"secret": "short"}, {"secret": b"", "secret_file": None}])
def test_short_secret_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="32"):
        TaskHeader.of(**{"secret": None, "secret_file": None, **given})


def test_secret_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(SECRET + b"\n")
    file.chmod(0o600)

    from_file = TaskHeader.of(secret=None, secret_file=file)

    assert from_file.written(CONTEXT, **PLACE) == TaskHeader(SECRET).written(CONTEXT, **PLACE)
    assert "sss" not in repr(from_file)
    with pytest.raises(ConfigurationError, match="twice"):
        TaskHeader.of(secret=SECRET, secret_file=file)
