"""Each emulator does what the service's documentation says, called through the service's own SDK."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import grpc
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.core.rest import HttpRequest
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm
from botocore.exceptions import ClientError
from google.api_core.exceptions import FailedPrecondition, InvalidArgument, NotFound, Unauthenticated
from google.cloud import kms_v1
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport

from tests.contract.encryption.conftest import Tls
from tests.services.cloud_kms import key_name
from tests.services.moto_kms import MotoKms
from tests.support.fakes.cloud_kms import DESTROY_SCHEDULED, DESTROYED, DISABLED, FakeCloudKms
from tests.support.fakes.key_vault import FakeAzureCredential, FakeKeyVault

CONTEXT = {"service": "shop"}


@contextlib.contextmanager
def refused_as(code: str) -> Iterator[None]:
    with pytest.raises(ClientError) as caught:
        yield
    assert caught.value.response["Error"]["Code"] == code


class TestAwsKms:
    """docs.aws.amazon.com/kms/latest: APIReference/API_GenerateDataKey.html, API_Decrypt.html; developerguide/key-state.html."""

    def test_generated_key_names_its_arn(self, moto_kms: MotoKms) -> None:
        arn, kms = moto_kms.create_key(), moto_kms.client
        answer = kms.generate_data_key(KeyId=arn.rpartition("/")[2], KeySpec="AES_256", EncryptionContext=CONTEXT)
        assert (answer["KeyId"], len(answer["Plaintext"])) == (arn, 32)
        opened = kms.decrypt(CiphertextBlob=answer["CiphertextBlob"], KeyId=arn, EncryptionContext=CONTEXT)
        assert (opened["KeyId"], opened["Plaintext"]) == (arn, answer["Plaintext"])

    def test_altered_ciphertext_looks_like_other_context(self, moto_kms: MotoKms) -> None:
        arn, kms = moto_kms.create_key(), moto_kms.client
        blob = kms.generate_data_key(KeyId=arn, KeySpec="AES_256", EncryptionContext=CONTEXT)["CiphertextBlob"]
        with refused_as("InvalidCiphertextException"):
            kms.decrypt(CiphertextBlob=blob, KeyId=arn, EncryptionContext={})
        for altered in (blob[:-1], bytes((blob[0] ^ 1,)) + blob[1:], blob[:-1] + bytes((blob[-1] ^ 1,)), b"x"):
            with refused_as("InvalidCiphertextException"):
                kms.decrypt(CiphertextBlob=altered, KeyId=arn, EncryptionContext=CONTEXT)

    def test_wrong_key_id(self, moto_kms: MotoKms) -> None:
        arn, other, kms = moto_kms.create_key(), moto_kms.create_key(), moto_kms.client
        blob = kms.generate_data_key(KeyId=arn, KeySpec="AES_256")["CiphertextBlob"]
        with refused_as("IncorrectKeyException"):
            kms.decrypt(CiphertextBlob=blob, KeyId=other)

    def test_key_states(self, moto_kms: MotoKms) -> None:
        arn, kms = moto_kms.create_key(), moto_kms.client
        key_id = arn.rpartition("/")[2]
        blob = kms.generate_data_key(KeyId=arn, KeySpec="AES_256")["CiphertextBlob"]
        states: list[tuple[Any, str]] = [
            (lambda: kms.disable_key(KeyId=key_id), "DisabledException"),
            (lambda: kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7), "KMSInvalidStateException"),
        ]
        for enter, code in states:
            enter()
            with refused_as(code):
                kms.generate_data_key(KeyId=arn, KeySpec="AES_256")
            with refused_as(code):
                kms.decrypt(CiphertextBlob=blob, KeyId=arn)

    def test_key_that_does_not_exist(self, moto_kms: MotoKms) -> None:
        with refused_as("NotFoundException"):
            moto_kms.client.generate_data_key(KeyId="alias/none", KeySpec="AES_256")


class TestKeyVault:
    """learn.microsoft.com: rest/api/keyvault/keys, azure/key-vault/general/rest-error-codes and soft-delete-overview."""

    @pytest.fixture
    def keys(self, key_vault: FakeKeyVault, tls: Tls) -> Iterator[KeyClient]:
        with vault_client(key_vault, tls, key_vault.credential) as client:
            yield client

    @pytest.mark.parametrize(
        ("kty", "algorithm"), [("RSA", KeyWrapAlgorithm.rsa_oaep_256), ("RSA-HSM", KeyWrapAlgorithm.rsa_oaep_256)]
    )
    def test_wrap_and_unwrap_through_the_sdk(
        self, key_vault: FakeKeyVault, tls: Tls, keys: KeyClient, kty: str, algorithm: KeyWrapAlgorithm
    ) -> None:
        name = f"sdk-{secrets.token_hex(4)}"
        version = key_vault.add_key(name, kty=kty)
        found = keys.get_key(name)
        assert (found.properties.version, str(found.key_type)) == (version, str(found.key_type))
        options: Any = {"verify_challenge_resource": False, "connection_verify": str(tls.ca_path)}
        with CryptographyClient(found, key_vault.credential, **options) as client:
            wrapped = client.wrap_key(algorithm, b"k" * 32)
            assert client.unwrap_key(algorithm, wrapped.encrypted_key).key == b"k" * 32

    def test_answer_always_names_the_version(self, key_vault: FakeKeyVault, keys: KeyClient) -> None:
        name = f"sdk-{secrets.token_hex(4)}"
        key_vault.add_key(name, kty="oct-HSM")
        newest = key_vault.add_key(name, kty="oct-HSM")
        answer = post(keys, f"/keys/{name}/wrapkey", {"alg": "A256KW", "value": "a" * 43})
        assert answer.status_code == 200
        assert answer.json()["kid"] == f"{key_vault.url}/keys/{name}/{newest}"

    @pytest.mark.parametrize(
        "body",
        [{"alg": "A256KW", "value": "AAAA"}, {"alg": "RSA-OAEP", "value": "a" * 43}, {"alg": "A256KW"}, {}],
    )
    def test_bad_parameters(self, key_vault: FakeKeyVault, keys: KeyClient, body: dict[str, str]) -> None:
        name = f"sdk-{secrets.token_hex(4)}"
        version = key_vault.add_key(name, kty="oct-HSM")
        answer = post(keys, f"/keys/{name}/{version}/unwrapkey", body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadParameter")

    @pytest.mark.parametrize(
        ("kty", "state", "operation", "inner"),
        [
            ("RSA", "disabled", "wrapkey", None),
            ("RSA", "disabled", "unwrapkey", "KeyDisabled"),
            ("oct-HSM", "disabled", "wrapkey", "KeyDisabled"),
            ("RSA", "expired", "wrapkey", "KeyExpired"),
            ("oct-HSM", "expired", "wrapkey", "KeyExpired"),
            ("oct-HSM", "expired", "unwrapkey", None),
        ],
    )
    def test_disabled_and_expired_keys(
        self, key_vault: FakeKeyVault, keys: KeyClient, kty: str, state: str, operation: str, inner: str | None
    ) -> None:
        name = f"sdk-{secrets.token_hex(4)}"
        version = key_vault.add_key(name, kty=kty)
        body = {"alg": "A256KW" if kty == "oct-HSM" else "RSA-OAEP-256", "value": "a" * 43}
        if operation == "unwrapkey":
            body["value"] = post(keys, f"/keys/{name}/{version}/wrapkey", body).json()["value"]
        if state == "disabled":
            key_vault.set_enabled(name, False)
        else:
            key_vault.expire(name)
        assert keys.get_key(name).properties.version == version
        answer = post(keys, f"/keys/{name}/{version}/{operation}", body)
        if inner is None:
            assert answer.status_code == 200
        else:
            error = answer.json()["error"]
            assert (answer.status_code, error["code"], error["innererror"]["code"]) == (403, "Forbidden", inner)

    def test_missing_and_deleted_keys(self, key_vault: FakeKeyVault, keys: KeyClient) -> None:
        with pytest.raises(ResourceNotFoundError):
            keys.get_key("none")
        name = f"sdk-{secrets.token_hex(4)}"
        key_vault.add_key(name, kty="oct-HSM")
        key_vault.delete(name)
        with pytest.raises(ResourceNotFoundError):
            keys.get_key(name)
        key_vault.recover(name)
        assert keys.get_key(name).name == name

    def test_tokens(self, key_vault: FakeKeyVault, tls: Tls) -> None:
        # Without a token comes the challenge that makes the SDK ask for one; a wrong one is refused.
        with vault_client(key_vault, tls, FakeAzureCredential("wrong")) as client:
            with pytest.raises(HttpResponseError) as caught:
                client.get_key("any")
            assert caught.value.status_code == 403
            assert not isinstance(caught.value, ClientAuthenticationError)


class TestCloudKms:
    """cloud.google.com/kms/docs: reference/rpc/google.cloud.kms.v1, key-states, data-integrity-guidelines, additional-authenticated-data."""

    @pytest.fixture
    def key(self, cloud_kms: FakeCloudKms) -> str:
        key = key_name(f"sdk-{secrets.token_hex(4)}")
        cloud_kms.add_version(key)
        return key

    @pytest.fixture
    def kms(self, cloud_kms: FakeCloudKms, tls: Tls) -> Iterator[Any]:
        client = cloud_client(cloud_kms, tls.ca_path)
        yield client
        client.transport.close()

    def test_decrypt_finds_the_version_that_encrypted(self, cloud_kms: FakeCloudKms, kms: Any, key: str) -> None:
        first = encrypt(kms, key)
        cloud_kms.add_version(key)
        second = encrypt(kms, key)
        assert [answer.name for answer in (first, second)] == [f"{key}/cryptoKeyVersions/{n}" for n in (1, 2)]
        for answer, primary in ((first, False), (second, True)):
            opened = decrypt(kms, key, answer.ciphertext)
            assert (opened.plaintext, opened.used_primary) == (b"data key", primary)

    def test_checksums_are_compared_and_answered(self, kms: Any, key: str) -> None:
        plain = encrypt(kms, key)
        assert not plain.verified_plaintext_crc32c
        checked = encrypt(kms, key, plaintext_crc32c=google_crc32c.value(b"data key"))
        assert checked.verified_plaintext_crc32c
        assert checked.ciphertext_crc32c == google_crc32c.value(checked.ciphertext)
        with pytest.raises(InvalidArgument, match="checksum"):
            encrypt(kms, key, plaintext_crc32c=1)
        with pytest.raises(InvalidArgument, match="checksum"):
            decrypt(kms, key, plain.ciphertext, ciphertext_crc32c=1)

    def test_altered_ciphertext_looks_like_other_data(self, kms: Any, key: str) -> None:
        sealed = encrypt(kms, key, additional_authenticated_data=b"a").ciphertext
        for ciphertext, data in ((sealed, b"b"), (sealed[:-1], b"a"), (b"\xff" * 40, b"a"), (b"", b"a")):
            with pytest.raises(InvalidArgument, match="Decryption failed"):
                decrypt(kms, key, ciphertext, additional_authenticated_data=data)

    @pytest.mark.parametrize("state", [DISABLED, DESTROY_SCHEDULED, DESTROYED])
    def test_only_enabled_versions_work(self, cloud_kms: FakeCloudKms, kms: Any, key: str, state: str) -> None:
        sealed = encrypt(kms, key).ciphertext
        cloud_kms.set_state(key, state)
        with pytest.raises(FailedPrecondition, match=state):
            encrypt(kms, key)
        with pytest.raises(FailedPrecondition, match=state):
            decrypt(kms, key, sealed)

    def test_limits_and_missing_keys(self, kms: Any, key: str) -> None:
        with pytest.raises(InvalidArgument):
            encrypt(kms, key, plaintext=bytes((64 << 10) + 1))
        with pytest.raises(NotFound):
            encrypt(kms, key_name("none"))

    def test_caller_without_credentials(self, kms: Any, key: str) -> None:
        with pytest.raises(Unauthenticated):
            kms.encrypt(request={"name": key, "plaintext": b"x"}, retry=None, timeout=10)


def vault_client(vault: FakeKeyVault, tls: Tls, credential: FakeAzureCredential) -> KeyClient:
    options: Any = {"verify_challenge_resource": False, "connection_verify": str(tls.ca_path), "retry_total": 0}
    return KeyClient(vault.url, credential, **options)


def post(client: KeyClient, path: str, body: dict[str, str]) -> Any:
    return client.send_request(HttpRequest("POST", path, json=body))


def cloud_client(server: FakeCloudKms, ca_path: Path) -> Any:
    host = server.endpoint.removeprefix("https://")
    channel = grpc.secure_channel(host, grpc.ssl_channel_credentials(ca_path.read_bytes()))
    transport = KeyManagementServiceGrpcTransport(host=host, channel=channel)
    return kms_v1.KeyManagementServiceClient(transport=transport)


def encrypt(kms: Any, key: str, **fields: Any) -> Any:
    return ask(kms.encrypt, {"name": key, "plaintext": b"data key", **fields})


def decrypt(kms: Any, key: str, ciphertext: bytes, **fields: Any) -> Any:
    return ask(kms.decrypt, {"name": key, "ciphertext": ciphertext, **fields})


def ask(method: Any, request: dict[str, Any]) -> Any:
    return method(request=request, retry=None, timeout=10, metadata=[("authorization", "Bearer any")])
