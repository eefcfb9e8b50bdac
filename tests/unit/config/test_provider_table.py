"""Providers are found by name: built in, registered, or announced by an installed distribution."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from telemetry.config import EncryptionConfig
from telemetry.config.provider_table import ProviderTable
from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.exceptions import ConfigurationError
from tests.services.stub_keys import StubKeys

GROUP = "telemetry.encryption_providers"


class OwnConfig(EncryptionConfig):
    """A third party's configuration with a field of its own."""

    shard: int = 1


class OwnKeys(StubKeys):
    config_class = OwnConfig


@pytest.fixture
def table() -> ProviderTable:
    return ProviderTable(
        "telemetry.encryption.provider:EncryptionProvider",
        group=GROUP,
        builtin={"aws_kms": "telemetry.encryption.providers.aws_kms:AwsKmsProvider"},
    )


def announce(monkeypatch: pytest.MonkeyPatch, name: str, target: str) -> None:
    point = EntryPoint(name=name, value=target, group=GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: EntryPoints([point]))


def test_registered_provider_is_found(table: ProviderTable) -> None:
    table.register("own", OwnKeys)
    assert table.require("own") is OwnKeys
    assert table.names() == ["aws_kms", "own"]


def test_built_in_name_is_not_given_away(table: ProviderTable) -> None:
    with pytest.raises(ConfigurationError, match="built-in name"):
        table.register("aws_kms", OwnKeys)


@pytest.mark.parametrize("provider", [object, dict, OwnKeys()])
def test_only_providers_are_registered(table: ProviderTable, provider: type[object]) -> None:
    with pytest.raises(ConfigurationError, match="subclass of EncryptionProvider"):
        table.register("own", provider)


def test_unknown_name_lists_the_known_ones(table: ProviderTable) -> None:
    table.register("own", OwnKeys)
    with pytest.raises(ConfigurationError, match=r"'aws' is unknown.*aws_kms, own"):
        table.require("aws")


def test_announced_provider_is_loaded(table: ProviderTable, monkeypatch: pytest.MonkeyPatch) -> None:
    announce(monkeypatch, "announced", f"{__name__}:OwnKeys")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[OwnKeys.__module__])
    assert table.names() == ["announced", "aws_kms"]
    assert table.require("announced") is OwnKeys


def test_announced_class_must_be_a_provider(table: ProviderTable, monkeypatch: pytest.MonkeyPatch) -> None:
    announce(monkeypatch, "announced", "collections:OrderedDict")
    with pytest.raises(ConfigurationError, match="subclass of EncryptionProvider"):
        table.require("announced")


def test_third_party_brings_its_configuration(table: ProviderTable) -> None:
    table.register("own", OwnKeys)
    assert table.config_class("own", EncryptionConfig) is OwnConfig
    assert table.config_class("aws_kms", EncryptionConfig) is EncryptionConfig
    assert table.config_class("unknown", EncryptionConfig) is EncryptionConfig


def test_factory_creates_what_is_registered() -> None:
    EncryptionProviderFactory.register("provider-table-test", OwnKeys)
    config = EncryptionProviderFactory.config_class("provider-table-test")(provider="provider-table-test")
    provider: EncryptionProvider = EncryptionProviderFactory.create(config)
    assert (type(config), type(provider)) == (OwnConfig, OwnKeys)
    assert "provider-table-test" in EncryptionProviderFactory.names()
