"""AWS KMS: the key that is called, the part a record may not steer, and retries that end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from traceback import TracebackException
from typing import Any

import pytest
import trustme
from pydantic import SecretStr

from telemetry.config import EncryptionConfig
from telemetry.encryption import DataKey, EncryptionProviderFactory
from telemetry.encryption.providers.aws_kms import AwsKmsProvider
from telemetry.exceptions import (
    ConfigurationError,
    KeyAccessDeniedError,
    KeyDisabledError,
    KeyMismatchError,
    KeyNotFoundError,
    KeyNotListedError,
    KeyServiceError,
    KeyThrottledError,
    KeyUnreachableError,
)
from tests.services.moto_kms import ACCOUNT, REGION, MotoKms

CONTEXT = {"service": "shop", "environment": "production", "purpose": "telemetry-audit", "format": "1"}
SAME = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1b2c3d4e-1234-1234-1234-abcdefabcdef"
REPLICATED = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/mrk-1b2c3d4e123412341234abcdefabcdef"


@pytest.fixture
def arn(moto_kms: MotoKms) -> str:
    return moto_kms.create_key()


@pytest.fixture(autouse=True)
def _obliging(moto_kms: MotoKms) -> Iterator[None]:
    yield
    moto_kms.allow_all()
    moto_kms.resume()


class RecordingKms:
    """Stands in for boto3's client where no emulator knows the case: it notes what is asked, and answers as told."""

    def __init__(self, answered: str) -> None:
        self.answered = answered
        self.asked: list[str] = []

    def decrypt(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request["KeyId"])
        return {"KeyId": self.answered, "Plaintext": bytes(32)}

    def generate_data_key(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request["KeyId"])
        return {"KeyId": self.answered, "Plaintext": bytes(32), "CiphertextBlob": b"wrapped"}

    def close(self) -> None:
        """Nothing is open."""


def provider_on(client: RecordingKms, key_id: str, region: str = REGION) -> AwsKmsProvider:
    provider = AwsKmsProvider(EncryptionConfig(provider="aws_kms", kms_key_id=key_id, aws_region=region))
    provider._client = client
    return provider


@pytest.mark.parametrize("form", ["id", "arn", "alias", "alias arn"])
def test_key_may_be_named_in_every_form(moto_kms: MotoKms, arn: str, form: str) -> None:
    key_id = arn.rpartition("/")[2]
    alias = f"alias/audit-{key_id[:8]}"
    moto_kms.client.create_alias(AliasName=alias, TargetKeyId=key_id)
    forms = {"id": key_id, "arn": arn, "alias": alias, "alias arn": arn.rpartition(":")[0] + f":{alias}"}
    with AwsKmsProvider(moto_kms.config(forms[form])) as provider:
        made = provider.generate_data_key(CONTEXT)
        assert made.key_uri == f"aws-kms://{arn}"
        assert provider.unwrap(made.wrapped, made.key_uri, CONTEXT) == made.plaintext


@pytest.fixture
def moved(moto_kms: MotoKms) -> tuple[str, str, Callable[[], None]]:
    """An alias, the ARN of the key that it names, and a function that moves it to another key."""
    old, new = moto_kms.create_key(), moto_kms.create_key()
    alias = f"alias/moved-{new[-8:]}"
    moto_kms.client.create_alias(AliasName=alias, TargetKeyId=old.rpartition("/")[2])

    def move() -> None:
        moto_kms.client.update_alias(AliasName=alias, TargetKeyId=new.rpartition("/")[2])

    return alias, old, move


def test_moved_alias_changes_no_running_process(
    moto_kms: MotoKms, moved: tuple[str, str, Callable[[], None]], caplog: pytest.LogCaptureFixture
) -> None:
    alias, old, move = moved
    with AwsKmsProvider(moto_kms.config(alias)) as provider:
        before = provider.generate_data_key(CONTEXT)
        assert not caplog.records
        move()
        after = provider.generate_data_key(CONTEXT)
        assert [before.key_uri, after.key_uri] == [f"aws-kms://{old}"] * 2
        assert "was moved to another key" in caplog.text
        for made in (before, after):
            assert provider.unwrap(made.wrapped, made.key_uri, CONTEXT) == made.plaintext


def test_former_key_of_an_alias_is_read_when_listed(
    moto_kms: MotoKms, moved: tuple[str, str, Callable[[], None]]
) -> None:
    alias, old, move = moved
    with AwsKmsProvider(moto_kms.config(alias)) as writer:
        before = writer.generate_data_key(CONTEXT)
    move()
    with AwsKmsProvider(moto_kms.config(alias)) as reader:
        with pytest.raises(KeyMismatchError, match="previous_keys") as caught:
            reader.unwrap(before.wrapped, before.key_uri, CONTEXT)
        assert old in str(caught.value)
        reader.check()
        with pytest.raises(KeyNotListedError, match="was not called"):
            reader.unwrap(before.wrapped, before.key_uri, CONTEXT)
    with EncryptionProviderFactory.create(moto_kms.config(alias, previous_keys=[{"kms_key_id": old}])) as reader:
        assert reader.unwrap(before.wrapped, before.key_uri, CONTEXT) == before.plaintext
        after = reader.generate_data_key(CONTEXT)
        assert after.key_uri != before.key_uri
        assert reader.unwrap(after.wrapped, after.key_uri, CONTEXT) == after.plaintext


@pytest.mark.parametrize("is_resolved", [False, True])
@pytest.mark.parametrize("form", ["alias", "alias arn"])
def test_key_of_a_developer_in_the_same_account(moto_kms: MotoKms, arn: str, form: str, is_resolved: bool) -> None:
    name = f"alias/trail-{arn[-8:]}"
    moto_kms.client.create_alias(AliasName=name, TargetKeyId=arn.rpartition("/")[2])
    alias = name if form == "alias" else arn.rpartition(":")[0] + f":{name}"
    with AwsKmsProvider(moto_kms.config(moto_kms.create_key())) as developer:
        forged = developer.generate_data_key(CONTEXT)
    with AwsKmsProvider(moto_kms.config(alias)) as reader:
        if is_resolved:
            reader.check()
        with pytest.raises(KeyMismatchError):
            reader.unwrap(forged.wrapped, forged.key_uri, CONTEXT)


def test_reader_needs_no_right_but_decrypt_for_an_alias(moto_kms: MotoKms, arn: str) -> None:
    alias = f"alias/read-{arn[-8:]}"
    moto_kms.client.create_alias(AliasName=alias, TargetKeyId=arn.rpartition("/")[2])
    with AwsKmsProvider(moto_kms.config(arn)) as writer:
        made = writer.generate_data_key(CONTEXT)
    moto_kms.refuse("generate_data_key")
    with AwsKmsProvider(moto_kms.config(alias)) as reader:
        assert reader.unwrap(made.wrapped, made.key_uri, CONTEXT) == made.plaintext


@pytest.mark.parametrize(
    "configured", [SAME, SAME.rpartition("/")[2], "alias/audit", SAME.rpartition(":")[0] + ":alias/a"]
)
@pytest.mark.parametrize(
    "named",
    [
        SAME.replace(ACCOUNT, "999999999999"),
        SAME.replace(":aws:", ":aws-cn:"),
        SAME.replace(":key/", ":alias/"),
        SAME.replace("arn:aws:kms", "arn:aws:s3"),
        SAME + "/../x",
        "arn:aws:kms:evil.example/x:123456789012:key/1",
        "alias/audit",
        "",
    ],
)
def test_record_cannot_steer_the_reader(configured: str, named: str) -> None:
    kms = RecordingKms(SAME)
    with pytest.raises(KeyMismatchError):
        provider_on(kms, configured).unwrap(b"wrapped", f"aws-kms://{named}", CONTEXT)
    # A bare id or alias has no account of its own; it is asked about in the caller's, and the answer tells.
    assert kms.asked in ([], [configured])


@pytest.mark.parametrize("configured", [SAME, SAME.rpartition("/")[2]])
def test_configured_key_is_the_only_one_asked(configured: str) -> None:
    kms = RecordingKms(SAME)
    other = SAME[:-1] + "0"
    with pytest.raises(KeyMismatchError, match="was not called"):
        provider_on(kms, configured).unwrap(b"wrapped", f"aws-kms://{other}", CONTEXT)
    assert kms.asked == []


def test_alias_of_another_account_stays_there() -> None:
    alias = f"arn:aws:kms:{REGION}:999999999999:alias/shared"
    theirs = SAME.replace(ACCOUNT, "999999999999")
    kms = RecordingKms(theirs)
    provider = provider_on(kms, alias)
    assert provider.unwrap(b"wrapped", f"aws-kms://{theirs}", CONTEXT) == bytes(32)
    assert kms.asked == [alias]
    assert provider.unwrap(b"wrapped", f"aws-kms://{theirs}", CONTEXT) == bytes(32)
    assert kms.asked == [alias, theirs]
    with pytest.raises(KeyMismatchError):
        provider.unwrap(b"wrapped", f"aws-kms://{SAME}", CONTEXT)


def test_multi_region_replica_reads_in_its_region() -> None:
    replica = REPLICATED.replace(REGION, "us-east-1")
    kms = RecordingKms(replica)
    assert provider_on(kms, replica, "us-east-1").unwrap(b"wrapped", f"aws-kms://{REPLICATED}", CONTEXT) == bytes(32)
    assert kms.asked == [replica]


def test_same_id_in_another_region_differs() -> None:
    elsewhere = SAME.replace(REGION, "us-east-1")
    with pytest.raises(KeyMismatchError):
        provider_on(RecordingKms(SAME), SAME).unwrap(b"wrapped", f"aws-kms://{elsewhere}", CONTEXT)


@pytest.mark.parametrize("answered", [SAME[:-1] + "0", "", "alias/audit", SAME.replace(ACCOUNT, "999999999999")])
def test_answer_of_another_key_is_refused(answered: str) -> None:
    provider = provider_on(RecordingKms(answered), SAME)
    with pytest.raises(KeyMismatchError):
        provider.generate_data_key(CONTEXT)
    with pytest.raises(KeyMismatchError):
        provider.unwrap(b"wrapped", f"aws-kms://{SAME}", CONTEXT)


def test_traceback_hides_a_key_unwrapped_elsewhere() -> None:
    kms = RecordingKms(SAME[:-1] + "0")
    with pytest.raises(KeyMismatchError) as caught:
        provider_on(kms, SAME).unwrap(b"wrapped", f"aws-kms://{SAME}", CONTEXT)
    shown = "".join(TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert repr(bytes(32))[2:-1] not in shown


def test_key_pending_deletion(moto_kms: MotoKms, arn: str) -> None:
    with AwsKmsProvider(moto_kms.config(arn)) as provider:
        made = provider.generate_data_key(CONTEXT)
        moto_kms.client.schedule_key_deletion(KeyId=arn.rpartition("/")[2], PendingWindowInDays=7)
        for act in (lambda: provider.generate_data_key(CONTEXT), lambda: unwrapped(provider, made), provider.check):
            with pytest.raises(KeyDisabledError, match="cancel its deletion"):
                act()


def test_key_that_does_not_exist(moto_kms: MotoKms) -> None:
    with AwsKmsProvider(moto_kms.config("alias/none")) as provider, pytest.raises(KeyNotFoundError, match="kms_key_id"):
        provider.check()


def test_writer_without_the_right_to_decrypt(moto_kms: MotoKms, arn: str) -> None:
    moto_kms.refuse("decrypt")
    with AwsKmsProvider(moto_kms.config(arn, writer_only=True)) as writer:
        writer.check()
        assert writer.generate_data_key(CONTEXT).wrapped
    with AwsKmsProvider(moto_kms.config(arn)) as reader, pytest.raises(KeyAccessDeniedError, match="kms:Decrypt"):
        reader.check()


@pytest.mark.parametrize(("code", "status"), [("ThrottlingException", 400), ("KMSInternalException", 500)])
def test_passing_fault_is_tried_again(moto_kms: MotoKms, arn: str, code: str, status: int) -> None:
    moto_kms.refuse("generate_data_key", code=code, status=status, times=2)
    before = moto_kms.calls("generate_data_key")
    with AwsKmsProvider(moto_kms.config(arn, max_retries=2)) as provider:
        assert provider.generate_data_key(CONTEXT).wrapped
    assert moto_kms.calls("generate_data_key") - before == 3


def test_tries_are_limited(moto_kms: MotoKms, arn: str) -> None:
    moto_kms.refuse("generate_data_key", code="ThrottlingException")
    before = moto_kms.calls("generate_data_key")
    with AwsKmsProvider(moto_kms.config(arn, max_retries=1)) as provider, pytest.raises(KeyThrottledError):
        provider.generate_data_key(CONTEXT)
    assert moto_kms.calls("generate_data_key") - before == 2


def test_lasting_refusal_is_not_tried_again(moto_kms: MotoKms, arn: str) -> None:
    moto_kms.refuse("generate_data_key")
    before = moto_kms.calls("generate_data_key")
    with AwsKmsProvider(moto_kms.config(arn, max_retries=5)) as provider, pytest.raises(KeyAccessDeniedError):
        provider.generate_data_key(CONTEXT)
    assert moto_kms.calls("generate_data_key") - before == 1


def test_hanging_service_is_given_up(moto_kms: MotoKms, arn: str) -> None:
    with AwsKmsProvider(moto_kms.config(arn, timeout_ms=300)) as provider:
        provider.check()
        moto_kms.hang()
        began = time.monotonic()
        with pytest.raises(KeyUnreachableError):
            provider.generate_data_key(CONTEXT)
        assert time.monotonic() - began < 20
        moto_kms.resume()
        assert provider.generate_data_key(CONTEXT).wrapped


def test_close_ends_the_wait(moto_kms: MotoKms, arn: str) -> None:
    moto_kms.refuse("generate_data_key", code="ThrottlingException")
    provider = AwsKmsProvider(moto_kms.config(arn, max_retries=20))
    before = moto_kms.calls("generate_data_key")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(provider.generate_data_key, CONTEXT)
        while moto_kms.calls("generate_data_key") == before:
            threading.Event().wait(0.001)
        provider.close()
        assert isinstance(asked.exception(20), KeyServiceError)


def test_server_of_unknown_authority_is_refused(moto_kms: MotoKms, arn: str, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    config = moto_kms.config(arn, ca_path=tmp_path / "other.pem")
    before = moto_kms.calls("generate_data_key")
    with AwsKmsProvider(config) as provider, pytest.raises(KeyUnreachableError):
        provider.generate_data_key(CONTEXT)
    assert moto_kms.calls("generate_data_key") == before


def test_nothing_is_contacted_before_the_first_call(moto_kms: MotoKms) -> None:
    config = moto_kms.config("alias/audit", endpoint_url="https://kms.example.invalid")
    AwsKmsProvider(config).close()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"kms_key_id": "no key"}, "kms_key_id"),
        ({"kms_key_id": "arn:aws:s3:::bucket"}, "kms_key_id"),
        ({"kms_key_id": SAME, "aws_region": "us-east-1"}, "aws_region"),
        ({"endpoint_url": "http://kms.example"}, "endpoint_url"),
        ({"endpoint_url": "ftp://localhost"}, "endpoint_url"),
        ({"endpoint_url": "https://user:password@kms.example"}, "endpoint_url"),
        ({"aws_secret_access_key": None}, "aws_secret_access_key"),
        (
            {"aws_access_key_id": None, "aws_secret_access_key": None, "aws_session_token": SecretStr("t")},
            "aws_session",
        ),
        ({"ca_path": Path("/nowhere/ca.pem")}, "ca_path"),
        ({"aws_profile": "none"}, "aws_profile"),
    ],
)
def test_configuration_that_cannot_work(moto_kms: MotoKms, fields: dict[str, Any], named: str) -> None:
    config = moto_kms.config("alias/audit", **fields)
    with pytest.raises(ConfigurationError, match=named) as caught, AwsKmsProvider(config) as provider:
        provider.check()
    assert "password" not in str(caught.value)


def test_region_comes_from_the_arn(moto_kms: MotoKms, arn: str) -> None:
    with AwsKmsProvider(moto_kms.config(arn, aws_region=None)) as provider:
        provider.check()


def unwrapped(provider: AwsKmsProvider, made: DataKey) -> bytes:
    return provider.unwrap(made.wrapped, made.key_uri, CONTEXT)
