"""Every error that an SDK can raise is mapped; a new one in a new release fails here."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import azure.core.exceptions
import azure.identity
import botocore.exceptions
import botocore.session
import google.api_core.exceptions
import google.auth.exceptions
import grpc
import pytest

from telemetry.config import EncryptionConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.encryption.providers import aws_kms, azure_keyvault, gcp_kms
from telemetry.encryption.providers.remote import RemoteKeyProvider
from telemetry.exceptions import (
    ConfigurationError,
    KeyAccessDeniedError,
    KeyCredentialsError,
    KeyDisabledError,
    KeyMismatchError,
    KeyNotFoundError,
    KeyServiceError,
    KeyThrottledError,
    KeyUnreachableError,
)

# What a request of GenerateDataKey or Decrypt cannot raise: S3, paging, stubs, waiters, event streams, the loading of
# service models; or what is wrong with boto3's configuration, which is a plain KeyServiceError.
_OF_OTHER_CALLS = frozenset(
    """
    AliasConflictParameterError ApiVersionNotFoundError AwsChunkedWrapperError BaseEndpointResolverError BotoCoreError
    ClientError ConfigNotFound ConfigParseError DataNotFoundError EndpointProviderError EndpointResolutionError
    EndpointVariantError EventStreamError InfiniteLoopConfigError InvalidChecksumConfigError InvalidConfigError
    InvalidDNSNameError InvalidDefaultsMode InvalidEndpointConfigurationError InvalidEndpointDiscoveryConfigurationError
    InvalidExpressionError InvalidHostLabelError InvalidIMDSEndpointError InvalidIMDSEndpointModeError
    InvalidMaxRetryAttemptsError InvalidProxiesConfigError InvalidRegionError InvalidRetryConfigurationError
    InvalidRetryModeError InvalidS3AddressingStyleError InvalidS3UsEast1RegionalEndpointConfigError
    InvalidSTSRegionalEndpointsConfigError MD5UnavailableError MissingDependencyException MissingParametersError
    MissingServiceIdError NoRegionError OperationNotPageableError PaginationError ParamValidationError ProfileNotFound
    RangeError ServiceNotInRegionError StubAssertionError StubResponseError UnStubbedResponseError
    UndefinedModelAttributeError UnknownClientMethodError UnknownEndpointError UnknownEndpointResolutionBuiltInName
    UnknownFIPSEndpointError UnknownKeyError UnknownParameterError UnknownRegionError UnknownServiceError
    UnknownServiceStyle UnknownSignatureVersionError UnseekableStreamError UnsupportedOutpostResourceError
    UnsupportedS3AccesspointConfigurationError UnsupportedS3ArnError UnsupportedS3ConfigurationError
    UnsupportedS3ControlArnError UnsupportedS3ControlConfigurationError UnsupportedServiceProtocolsError
    UnsupportedSignatureVersionError ValidationError WaiterConfigError WaiterError
    """.split()  # noqa: SIM905 - sixty names are easier read as a paragraph
)

AWS = EncryptionConfig(provider="aws_kms", kms_key_id="alias/audit", aws_region="eu-central-1")
AZURE = EncryptionConfig(provider="azure_keyvault", vault_url="https://audit.vault.azure.net", key_name="kek")
GCP = EncryptionConfig(provider="gcp_kms", project_id="p", location="global", key_ring="r", gcp_key_name="k")


def errors_of(module: ModuleType) -> list[type[Exception]]:
    classes = inspect.getmembers(module, inspect.isclass)
    return [kind for _, kind in classes if issubclass(kind, Exception) and not issubclass(kind, Warning)]


def translated(config: EncryptionConfig, error: Exception, doing: str = "making a data key") -> KeyServiceError | None:
    provider = EncryptionProviderFactory.create(config)
    assert isinstance(provider, RemoteKeyProvider)
    return provider._translate(error, doing)


def aws_error(code: str, status: int = 400) -> botocore.exceptions.ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": "the server's words"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return botocore.exceptions.ClientError(response, "Decrypt")


@pytest.mark.parametrize("operation", ["GenerateDataKey", "Decrypt"])
def test_every_modelled_aws_error_is_mapped(operation: str) -> None:
    model = botocore.session.get_session().get_service_model("kms")
    codes = {shape.name for shape in model.operation_model(operation).error_shapes}
    assert codes
    assert codes <= set(aws_kms.ERROR_CODES), "AWS has a new error: say what it means"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("AccessDeniedException", KeyAccessDeniedError),
        ("ExpiredTokenException", KeyCredentialsError),
        ("NotFoundException", KeyNotFoundError),
        ("DisabledException", KeyDisabledError),
        ("KMSInvalidStateException", KeyDisabledError),
        ("ThrottlingException", KeyThrottledError),
        ("KMSInternalException", KeyUnreachableError),
        ("DependencyTimeoutException", KeyUnreachableError),
        ("IncorrectKeyException", KeyMismatchError),
        ("InvalidCiphertextException", KeyMismatchError),
    ],
)
def test_errors_of_aws_kms(code: str, expected: type[KeyServiceError]) -> None:
    error = translated(AWS, aws_error(code))
    assert type(error) is expected
    assert code in str(error)
    assert "the server's words" not in str(error)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, KeyServiceError),
        (401, KeyAccessDeniedError),
        (403, KeyAccessDeniedError),
        (429, KeyThrottledError),
        (500, KeyUnreachableError),
    ],
)
def test_error_of_aws_kms_that_nobody_documented(status: int, expected: type[KeyServiceError]) -> None:
    assert type(translated(AWS, aws_error("BrandNewException", status))) is expected


@pytest.mark.parametrize("kind", errors_of(botocore.exceptions), ids=lambda kind: kind.__name__)
def test_every_error_of_botocore_is_mapped(kind: type[Exception]) -> None:
    mapped = aws_kms.ERRORS.kind_of(kind)
    if mapped in (None, KeyServiceError):
        assert kind.__name__ in _OF_OTHER_CALLS, "botocore has a new error: say what it means"


def test_errors_of_botocore() -> None:
    endpoint = {"endpoint_url": "https://kms"}
    cases: list[tuple[Exception, type[KeyServiceError]]] = [
        (botocore.exceptions.EndpointConnectionError(**endpoint), KeyUnreachableError),
        (botocore.exceptions.ConnectTimeoutError(**endpoint), KeyUnreachableError),
        (botocore.exceptions.ReadTimeoutError(**endpoint), KeyUnreachableError),
        (botocore.exceptions.SSLError(**endpoint, error=OSError("bad")), KeyUnreachableError),
        (botocore.exceptions.NoCredentialsError(), KeyCredentialsError),
        (botocore.exceptions.TokenRetrievalError(provider="sso", error_msg="x"), KeyCredentialsError),
        (botocore.exceptions.ParamValidationError(report="x"), KeyServiceError),
        (
            RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired."),
            KeyCredentialsError,
        ),
    ]
    for error, expected in cases:
        assert type(translated(AWS, error)) is expected


@pytest.mark.parametrize(
    "kind",
    # In an order that is the same in every process: a set of classes is ordered by their addresses.
    sorted({*errors_of(azure.core.exceptions), *errors_of(azure.identity)}, key=str),
    ids=lambda kind: kind.__name__,
)
def test_every_error_of_azure_is_mapped(kind: type[Exception]) -> None:
    mapped = azure_keyvault.ERRORS.kind_of(kind)
    bases = {"AzureError", "HttpResponseError", "ODataV4Error", "TooManyRedirectsError", "SerializationError"}
    conditional = {"ResourceModifiedError", "ResourceNotModifiedError"}
    if mapped in (None, KeyServiceError):
        assert kind.__name__ in bases | conditional, "azure-core has a new error: say what it means"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, None, KeyServiceError),
        (401, None, KeyCredentialsError),
        (403, {"code": "Forbidden", "innererror": {"code": "ForbiddenByRbac"}}, KeyAccessDeniedError),
        (403, {"code": "Forbidden", "innererror": {"code": "ForbiddenByFirewall"}}, KeyAccessDeniedError),
        (403, {"code": "Forbidden", "innererror": {"code": "KeyDisabled"}}, KeyDisabledError),
        (
            403,
            {"code": "Forbidden", "message": "Operation wrapKey is not allowed on an expired key."},
            KeyDisabledError,
        ),
        (404, None, KeyNotFoundError),
        (409, {"code": "Conflict", "innererror": {"code": "ObjectIsBeingDeleted"}}, KeyDisabledError),
        (429, None, KeyThrottledError),
        (500, None, KeyUnreachableError),
        (503, None, KeyUnreachableError),
    ],
)
def test_answers_of_key_vault(status: int, body: dict[str, Any] | None, expected: type[KeyServiceError]) -> None:
    error = azure.core.exceptions.HttpResponseError("the server's words")
    error.status_code = status
    if body is not None:
        error.error = azure.core.exceptions.ODataV4Format({"message": "", **body})
    raised = translated(AZURE, error)
    assert type(raised) is expected
    assert "the server's words" not in str(raised)


def test_value_that_key_vault_refuses() -> None:
    error = azure.core.exceptions.HttpResponseError("bad")
    error.status_code = 400
    assert type(translated(AZURE, error, "unwrapkey with x")) is KeyMismatchError


def test_every_grpc_code_is_mapped() -> None:
    assert {code.name for code in grpc.StatusCode} - {"OK"} == set(gcp_kms.GRPC_CODES)


@pytest.mark.parametrize(
    "kind",
    [*errors_of(google.api_core.exceptions), *errors_of(google.auth.exceptions)],
    ids=lambda kind: kind.__name__,
)
def test_every_error_of_google_is_mapped(kind: type[Exception]) -> None:
    names = {base.__name__ for base in kind.__mro__}
    code = getattr(getattr(kind, "grpc_status_code", None), "name", "")
    specific = set(gcp_kms.ERRORS.names) - {"ClientError", "GoogleAPIError"}
    if code not in gcp_kms.GRPC_CODES and not names & specific:
        # Of REST and of resumable uploads only.
        assert names & {"ClientError", "ResumableTransferError", "AsyncRestUnsupportedParameterError"} or (
            kind.__name__ in {"GoogleAPIError", "GoogleAPICallError", "DuplicateCredentialArgs"}
        ), "google-api-core or google-auth has a new error: say what it means"


@pytest.mark.parametrize("code", sorted(gcp_kms.GRPC_CODES))
def test_answers_of_cloud_kms(code: str) -> None:
    from_status: Any = google.api_core.exceptions.from_grpc_status
    error = from_status(grpc.StatusCode[code], "the server's words")
    raised = translated(GCP, error, "encrypting a data key")
    assert type(raised) is gcp_kms.GRPC_CODES[code]
    assert "the server's words" not in str(raised)


def test_invalid_arguments_of_cloud_kms_differ() -> None:
    invalid: Any = google.api_core.exceptions.InvalidArgument
    altered = invalid("Decryption failed: the ciphertext is invalid.")
    on_the_way = invalid("The checksum in field ciphertext_crc32c did not match")
    assert type(translated(GCP, altered, "decrypting a data key")) is KeyMismatchError
    assert type(translated(GCP, on_the_way, "decrypting a data key")) is KeyUnreachableError
    assert type(translated(GCP, altered, "encrypting a data key")) is KeyServiceError


def test_errors_of_google_auth() -> None:
    cases: list[tuple[Any, type[KeyServiceError]]] = [
        (google.auth.exceptions.DefaultCredentialsError, KeyCredentialsError),
        (google.auth.exceptions.RefreshError, KeyCredentialsError),
        (google.auth.exceptions.TransportError, KeyUnreachableError),
    ]
    for kind, expected in cases:
        assert type(translated(GCP, kind("x"))) is expected


@pytest.mark.parametrize("config", [AWS, AZURE, GCP], ids=["aws", "azure", "gcp"])
def test_foreign_error_is_left_alone(config: EncryptionConfig) -> None:
    assert translated(config, ZeroDivisionError()) is None


@pytest.mark.parametrize("config", [AWS, AZURE, GCP], ids=["aws", "azure", "gcp"])
@pytest.mark.parametrize(
    "content", [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_unusable_authorities_stop_the_start(config: EncryptionConfig, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(ConfigurationError, match="ca_path"):
        EncryptionProviderFactory.create(config.model_copy(update={"ca_path": tmp_path / "ca.pem"}))
    with pytest.raises(ConfigurationError, match="ca_path"):
        EncryptionProviderFactory.create(config.model_copy(update={"ca_path": tmp_path}))
