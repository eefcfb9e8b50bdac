"""A create that happened although its answer was lost is one's own, never a clash, and never written twice."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from telemetry.config import StorageConfig
from telemetry.exceptions import StorageConflictError, StorageUnreachableError
from telemetry.storage import StorageProvider, StorageProviderFactory
from tests.services.answer_thief import AnswerThief

pytestmark = pytest.mark.services


@contextmanager
def through_thief(config: StorageConfig, *, max_retries: int) -> Iterator[tuple[StorageProvider, AnswerThief]]:
    endpoint = urlsplit(config.endpoint_url or "")
    with AnswerThief(endpoint.port or 0) as thief:
        url = f"http://127.0.0.1:{thief.port}{endpoint.path}"
        stolen = config.model_copy(update={"endpoint_url": url, "max_retries": max_retries})
        with StorageProviderFactory.create(stolen) as provider:
            yield provider, thief


@pytest.mark.parametrize("max_retries", [0, 3])
def test_answer_to_create_lost(cloud_config: StorageConfig, max_retries: int) -> None:
    # Without retries obstore reports a broken connection; with retries it meets its own object.
    name = f"lost/{uuid.uuid4()}"
    with through_thief(cloud_config, max_retries=max_retries) as (provider, thief):
        thief.arm(b"PUT")
        provider.put(name, b"once")
        assert thief.stolen == 1
        assert provider.get(name) == b"once"
        assert [stored.name for stored in provider.list(name)] == [name]


@pytest.mark.parametrize("max_retries", [0, 3])
def test_answer_to_refused_create_lost(cloud_config: StorageConfig, max_retries: int) -> None:
    name = f"lost/{uuid.uuid4()}"
    with through_thief(cloud_config, max_retries=max_retries) as (provider, thief):
        provider.put(name, b"another's")
        thief.arm(b"PUT")
        with pytest.raises(StorageConflictError):
            provider.put(name, b"mine")
        assert thief.stolen == 1
        assert provider.get(name) == b"another's"


def test_answers_to_create_and_to_comparison_lost(cloud_config: StorageConfig) -> None:
    name = f"lost/{uuid.uuid4()}"
    with through_thief(cloud_config, max_retries=0) as (provider, thief):
        thief.arm(b"PUT")
        provider.put(name, b"once")
        thief.arm(b"GET")
        with pytest.raises(StorageUnreachableError):
            provider.put(name, b"once")
        provider.put(name, b"once")
        assert provider.get(name) == b"once"


def test_answer_to_delete_lost(cloud_config: StorageConfig) -> None:
    name = f"lost/{uuid.uuid4()}"
    with through_thief(cloud_config, max_retries=3) as (provider, thief):
        provider.put(name, b"once")
        thief.arm(b"DELETE", b"POST")  # Azure deletes by a batch
        with_retry_or_error(provider, name)
        assert thief.stolen == 1
        assert list(provider.list(name)) == []


def with_retry_or_error(provider: StorageProvider, name: str) -> None:
    try:
        provider.delete(name)
    except StorageUnreachableError:
        provider.delete(name)
