"""Credentials come from the default chains when none are configured; writers and readers need exactly the documented rights."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.core.authorization import enable_iam_authentication

from telemetry.config import EncryptionConfig
from telemetry.encryption.providers.aws_kms import AwsKmsProvider
from telemetry.encryption.providers.azure_keyvault import AzureKeyVaultProvider
from telemetry.encryption.providers.gcp_kms import GcpKmsProvider
from telemetry.exceptions import KeyAccessDeniedError
from tests.contract.encryption.conftest import Tls
from tests.services.cloud_kms import key_name, kms_config
from tests.services.key_vault import vault_config
from tests.services.metadata_server import MetadataServer
from tests.services.moto_kms import MotoKms
from tests.support.fakes.cloud_kms import FakeCloudKms
from tests.support.fakes.key_vault import FakeKeyVault

CONTEXT = {"service": "shop", "environment": "production", "purpose": "telemetry-audit", "format": "1"}
LATER = "2099-01-01T00:00:00Z"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class TestAwsChain:
    """boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html."""

    @pytest.fixture
    def config(self, moto_kms: MotoKms, monkeypatch: pytest.MonkeyPatch) -> EncryptionConfig:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        return moto_kms.config(moto_kms.create_key(), aws_access_key_id=None, aws_secret_access_key=None)

    def used(self, config: EncryptionConfig) -> tuple[str, str]:
        """Make the trial, and return whose credentials signed it and where they came from."""
        with AwsKmsProvider(config) as provider:
            provider.check()
            found = provider._client._request_signer._credentials
            return found.access_key, found.method

    def test_explicit_credentials_come_first(self, moto_kms: MotoKms, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-the-environment")
        explicit = moto_kms.config(moto_kms.create_key(), aws_access_key_id="explicit", aws_session_token="t")
        assert self.used(explicit) == ("explicit", "explicit")

    def test_environment(self, config: EncryptionConfig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-the-environment")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        assert self.used(config) == ("from-the-environment", "env")

    def test_profile(self, config: EncryptionConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        file = tmp_path / "credentials"
        file.write_text("[audit]\naws_access_key_id = of-the-profile\naws_secret_access_key = secret\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        named = config.model_copy(update={"aws_profile": "audit"})
        assert self.used(named) == ("of-the-profile", "shared-credentials-file")

    def test_container_role(self, config: EncryptionConfig, monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> None:
        role = {"AccessKeyId": "of-the-role", "SecretAccessKey": "secret", "Token": "t", "Expiration": LATER}
        server = stack.enter_context(MetadataServer({"/role": role}))
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://{server.host}/role")
        assert self.used(config) == ("of-the-role", "container-role")

    def test_none_at_all(self, config: EncryptionConfig) -> None:
        with AwsKmsProvider(config) as provider, pytest.raises(KeyAccessDeniedError, match="credentials"):
            provider.check()


class TestAwsRights:
    """The permissions that the docstring of ``AwsKmsProvider`` lists, enforced by moto's IAM."""

    @pytest.fixture
    def arn(self, moto_kms: MotoKms) -> str:
        return moto_kms.create_key()

    @pytest.fixture
    def config_of(self, moto_kms: MotoKms, arn: str, tls: Tls) -> Callable[..., EncryptionConfig]:
        iam = boto3.client("iam", endpoint_url=moto_kms.url, region_name="us-east-1", verify=str(tls.ca_path))

        def make(*actions: str, **fields: Any) -> EncryptionConfig:
            name = f"user-{secrets.token_hex(4)}"
            iam.create_user(UserName=name)
            # Moto does not know which key a call is about, so the policy names none.
            statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
            policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            iam.put_user_policy(UserName=name, PolicyName="audit", PolicyDocument=policy)
            key = iam.create_access_key(UserName=name)["AccessKey"]
            found = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
            return moto_kms.config(arn, **found, **fields)

        return make

    def test_writer_needs_generate_data_key_only(self, config_of: Callable[..., EncryptionConfig]) -> None:
        config = config_of("kms:GenerateDataKey", writer_only=True)
        with enable_iam_authentication(), AwsKmsProvider(config) as writer:
            writer.check()
            made = writer.generate_data_key(CONTEXT)
            with pytest.raises(KeyAccessDeniedError, match="kms:Decrypt"):
                writer.unwrap(made.wrapped, made.key_uri, CONTEXT)

    def test_undeclared_writer_is_refused_at_the_start(self, config_of: Callable[..., EncryptionConfig]) -> None:
        config = config_of("kms:GenerateDataKey")
        with (
            enable_iam_authentication(),
            AwsKmsProvider(config) as writer,
            pytest.raises(KeyAccessDeniedError, match="unwrapping a data key"),
        ):
            writer.check()

    def test_reader_needs_decrypt_only(
        self, moto_kms: MotoKms, arn: str, config_of: Callable[..., EncryptionConfig]
    ) -> None:
        with AwsKmsProvider(moto_kms.config(arn)) as writer:
            made = writer.generate_data_key(CONTEXT)
        config = config_of("kms:Decrypt")
        with enable_iam_authentication(), AwsKmsProvider(config) as reader:
            assert reader.unwrap(made.wrapped, made.key_uri, CONTEXT) == made.plaintext
            with pytest.raises(KeyAccessDeniedError, match="kms:GenerateDataKey"):
                reader.generate_data_key(CONTEXT)

    def test_wrong_secret(self, config_of: Callable[..., EncryptionConfig]) -> None:
        config = config_of("kms:*").model_copy(update={"aws_secret_access_key": None})
        wrong = EncryptionConfig(**{**dict(config), "aws_secret_access_key": "wrong-secret"})
        with (
            enable_iam_authentication(),
            AwsKmsProvider(wrong) as provider,
            pytest.raises(KeyAccessDeniedError) as caught,
        ):
            provider.check()
        assert "wrong-secret" not in str(caught.value)


class TestAzureChain:
    """learn.microsoft.com/python/api/azure-identity: DefaultAzureCredential, managed identity of App Service."""

    @pytest.mark.parametrize("client_id", [None, "11111111-2222-3333-4444-555555555555"])
    def test_managed_identity(
        self,
        key_vault: FakeKeyVault,
        tls: Tls,
        monkeypatch: pytest.MonkeyPatch,
        stack: ExitStack,
        client_id: str | None,
    ) -> None:
        name = f"kek-{secrets.token_hex(4)}"
        key_vault.add_key(name, kty="oct-HSM")
        token = {
            "access_token": key_vault.token,
            "expires_on": str(int(time.time()) + 3_600),
            "resource": "https://vault.azure.net",
            "token_type": "Bearer",
        }
        server = stack.enter_context(MetadataServer({"/msi/token": token}))
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://{server.host}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header-secret")
        with AzureKeyVaultProvider(vault_config(key_vault, tls.ca_path, name, azure_client_id=client_id)) as provider:
            provider.check()
        path, headers = server.asked[0]
        assert "vault.azure.net" in path
        assert ("client_id" in path) == (client_id is not None)
        assert headers["X-IDENTITY-HEADER"] == "header-secret"


class TestGoogleChain:
    """cloud.google.com/docs/authentication/application-default-credentials: the attached service account."""

    def test_attached_service_account(
        self,
        cloud_kms: FakeCloudKms,
        tls: Tls,
        service_account: Path,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        stack: ExitStack,
    ) -> None:
        name = f"kek-{secrets.token_hex(4)}"
        cloud_kms.add_version(key_name(name))
        account = "/computeMetadata/v1/instance/service-accounts/default"
        answers = {
            "/": "computeMetadata/",
            "/computeMetadata/v1/project/project-id": "shop-audit",
            # A sovereign cloud; in Google's own, google-auth asks for more by itself, elsewhere.
            "/computeMetadata/v1/universe/universe-domain": "sovereign.example",
            "/computeMetadata/v1/universe/universe_domain": "sovereign.example",
            f"{account}/": {"email": "audit@shop-audit.iam.gserviceaccount.com", "scopes": [], "aliases": ["default"]},
            f"{account}/token": {"access_token": "of-the-machine", "expires_in": 3_600, "token_type": "Bearer"},
        }
        server = stack.enter_context(MetadataServer(answers, {"Metadata-Flavor": "Google"}))
        # google-auth reads GCE_METADATA_HOST and NO_GCE_CHECK when it is imported, which may be before this test or in it.
        monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", server.host)
        monkeypatch.setattr("google.auth.compute_engine._metadata._NO_GCE_CHECK", False)
        monkeypatch.setenv("GCE_METADATA_IP", server.host)
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
        config = kms_config(cloud_kms, name, ca_path=tls.ca_path, service_account=service_account)
        with GcpKmsProvider(config.model_copy(update={"gcp_credentials_path": None})) as provider:
            provider.check()
        assert any("/token" in path for path, _ in server.asked)
