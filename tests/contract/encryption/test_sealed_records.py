"""A record sealed under each key service: no clear byte of it can be altered, moved or swapped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from telemetry.encryption import EncryptionProvider
from telemetry.reader import RecordOpener
from tests.contract.encryption.conftest import MakeProvider
from tests.services.sealed_records import (
    CLEAR_NAMES,
    PRODUCERS,
    Sealer,
    assert_opens,
    assert_refused,
    attributes_of,
    flips,
    rewritten,
    unbounded,
)

KINDS = ("aws_kms", "aws_kms multi-Region", "azure_keyvault RSA", "azure_keyvault oct-HSM", "gcp_kms", "local_key")


@pytest.fixture(params=KINDS)
def provider(request: pytest.FixtureRequest, make_provider: MakeProvider) -> EncryptionProvider:
    return make_provider(str(request.param))


@pytest.fixture
def opener(provider: EncryptionProvider) -> Iterator[RecordOpener]:
    opener = RecordOpener(provider, budget=unbounded())
    yield opener
    opener.close()


def test_every_byte_flipped(provider: EncryptionProvider, opener: RecordOpener) -> None:
    record = Sealer(provider).seal(payload={"card": "4111"})
    assert_opens(opener, record)
    assert set(attributes_of(record)) >= CLEAR_NAMES | {"data"}
    for altered in flips(record):
        assert_refused(opener, altered)


def test_attributes_swapped_between_data_keys(provider: EncryptionProvider, opener: RecordOpener) -> None:
    mine, other = Sealer(provider).seal(), Sealer(provider, producer=PRODUCERS[1]).seal("bob", span=2)
    theirs = attributes_of(other)
    for name in ("producer", "wrappedkey", "id", "traceparent", "data"):
        assert_refused(opener, rewritten(mine, **{name: theirs[name]}))
    assert_refused(opener, rewritten(mine, wrappedkey=theirs["wrappedkey"], data=theirs["data"]))


def test_wrapped_key_and_event_of_another_service(provider: EncryptionProvider, opener: RecordOpener) -> None:
    mine, foreign = Sealer(provider).seal(), Sealer(provider, service="billing").seal()
    theirs = attributes_of(foreign)
    assert_refused(opener, rewritten(mine, wrappedkey=theirs["wrappedkey"]))
    assert_refused(opener, rewritten(mine, wrappedkey=theirs["wrappedkey"], data=theirs["data"]))
    assert_refused(opener, rewritten(foreign, source=attributes_of(mine)["source"]))


def test_record_names_the_kek_that_wrapped(provider: EncryptionProvider, opener: RecordOpener) -> None:
    # Other versions, replicas and spellings of the same KEK, which a key service may well take.
    record = Sealer(provider).seal()
    uri = attributes_of(record)["keyid"]
    near = {
        uri.upper(),
        uri + "0",
        uri[:-1],
        uri.rpartition("/cryptoKeyVersions/")[0],
        uri.replace("-central-", "-west-"),
    }
    near |= {uri[:-1] + digit for digit in "0123456789"}
    for other in near - {uri}:
        assert_refused(opener, rewritten(record, keyid=other))
