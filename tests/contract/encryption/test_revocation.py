"""A disabled KEK, or a revoked right, stops readers within the cache's bound and writers within the grace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from telemetry.encryption import EncryptionProvider
from telemetry.encryption.data_key import DataKeyring
from telemetry.encryption.unwrap.cache import UnwrapCache
from telemetry.exceptions import KeyAccessDeniedError, KeyDisabledError, KeyServiceError
from telemetry.format.value.message import context_of
from tests.contract.encryption.conftest import MakeProvider
from tests.services.moto_kms import MotoKms
from tests.support.fakes.cloud_kms import DESTROYED, DISABLED, FakeCloudKms
from tests.support.fakes.key_vault import FakeKeyVault
from tests.support.until import until

CONTEXT = context_of("/production/shop")
AGE, GRACE = 3_600.0, 900.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Revocation(NamedTuple):
    """How the owner of a KEK stops its use, and what those who use it are told."""

    kind: str
    how: str
    error: type[KeyServiceError]


WAYS = [
    Revocation("aws_kms", "disable", KeyDisabledError),
    Revocation("aws_kms", "schedule deletion", KeyDisabledError),
    Revocation("aws_kms", "take rights", KeyAccessDeniedError),
    Revocation("azure_keyvault RSA", "disable", KeyDisabledError),
    Revocation("azure_keyvault oct-HSM", "disable", KeyDisabledError),
    Revocation("azure_keyvault RSA", "take rights", KeyAccessDeniedError),
    Revocation("gcp_kms", "disable", KeyDisabledError),
    Revocation("gcp_kms", "destroy", KeyDisabledError),
    Revocation("gcp_kms", "take rights", KeyAccessDeniedError),
    Revocation("local_key", "take rights", KeyAccessDeniedError),
]


@pytest.fixture(params=WAYS, ids=lambda way: f"{way.kind}, {way.how}")
def way(request: pytest.FixtureRequest) -> Revocation:
    found: Revocation = request.param
    return found


@pytest.fixture
def provider(make_provider: MakeProvider, way: Revocation) -> EncryptionProvider:
    return make_provider(way.kind)


@pytest.fixture
def revoke(
    way: Revocation, provider: EncryptionProvider, moto_kms: MotoKms, key_vault: FakeKeyVault, cloud_kms: FakeCloudKms
) -> Iterator[Callable[[], None]]:
    """A function that does it, at the emulator."""

    def of_aws(key_id: str) -> None:
        if way.how == "disable":
            moto_kms.client.disable_key(KeyId=key_id)
        else:
            moto_kms.client.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)

    def act() -> None:
        uri = provider.generate_data_key(CONTEXT).key_uri
        if way.how == "take rights":
            take_rights()
        elif way.kind == "aws_kms":
            of_aws(uri.rpartition("/")[2])
        elif way.kind == "gcp_kms":
            name = uri.removeprefix("gcp-kms://").partition("/cryptoKeyVersions/")[0]
            cloud_kms.set_state(name, DISABLED if way.how == "disable" else DESTROYED)
        else:
            key_vault.set_enabled(uri.split("/")[-2], False)

    def take_rights() -> None:
        if way.kind == "local_key":
            path = provider.config.key_path  # type: ignore[attr-defined]  # of LocalKeyProvider
            path.chmod(0o644)
        for aws, azure, google in (("generate_data_key", "wrapkey", "Encrypt"), ("decrypt", "unwrapkey", "Decrypt")):
            moto_kms.refuse(aws)
            key_vault.refuse(azure)
            cloud_kms.refuse(google)

    yield act
    moto_kms.allow_all()
    key_vault.allow_all()
    cloud_kms.allow_all()


def test_revoked_reader_stops_within_its_bound(
    provider: EncryptionProvider, revoke: Callable[[], None], way: Revocation
) -> None:
    clock = Clock()
    cache = UnwrapCache(provider, max_age=AGE, clock=clock)
    made = provider.generate_data_key(CONTEXT)
    cache.open_key(made.wrapped, made.key_uri, CONTEXT)
    revoke()
    clock.now += AGE - 0.1
    cache.open_key(made.wrapped, made.key_uri, CONTEXT)
    clock.now += 0.1
    for _ in range(2):
        with pytest.raises(way.error):
            cache.open_key(made.wrapped, made.key_uri, CONTEXT)
        clock.now += AGE
    cache.close()


def test_writer_stops_within_its_grace(
    provider: EncryptionProvider, revoke: Callable[[], None], way: Revocation
) -> None:
    clock = Clock()
    ring = DataKeyring(
        provider, context=CONTEXT, max_age=AGE, max_uses=1_000_000, max_bytes=1 << 30, grace=GRACE, clock=clock
    )
    ring.request().result(60)
    key = ring.take(1)
    revoke()
    clock.now = 0.9 * AGE
    assert ring.take(1) is key
    until(lambda: ring._pace.failures_in_a_row == 1)
    assert type(ring.last_error) is way.error
    clock.now = AGE + GRACE - 0.1
    assert ring.take(1) is key
    until(lambda: ring._pace.failures_in_a_row == 2)
    clock.now = AGE + GRACE
    assert ring.take(1) is None
    with pytest.raises(way.error):
        ring.request().result(60)
    assert ring.take(1) is None
    ring.close()
