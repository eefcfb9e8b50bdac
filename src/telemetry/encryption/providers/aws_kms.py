"""Wraps data keys with AWS Key Management Service (AWS KMS)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from telemetry.config import EncryptionConfig
from telemetry.config.endpoints import TlsRequests, require_together
from telemetry.encryption.context import require_bounds, require_data_key
from telemetry.encryption.listed_keys import not_listed
from telemetry.encryption.provider import Context, DataKey
from telemetry.encryption.providers.aws_key import SCHEME, Arn, AwsKey
from telemetry.encryption.providers.remote import (
    SECTION,
    RemoteKeyProvider,
    ca_file,
    checked_endpoint,
    misconfigured,
)
from telemetry.encryption.providers.sdk_errors import SdkErrors
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
from telemetry.format.value.recipients import Wrap

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

logger = logging.getLogger("telemetry.encryption")


# Errors of GenerateDataKey and Decrypt (docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html and
# API_GenerateDataKey.html) and those common to all actions (CommonErrors.html).
ERROR_CODES: Mapping[str, type[KeyServiceError]] = {
    "AccessDenied": KeyAccessDeniedError,
    "AccessDeniedException": KeyAccessDeniedError,
    "AuthFailure": KeyAccessDeniedError,
    "ExpiredToken": KeyCredentialsError,
    "ExpiredTokenException": KeyCredentialsError,
    # Of the token service, which gives the credentials of a web identity.
    "IDPRejectedClaim": KeyCredentialsError,
    "InvalidIdentityToken": KeyCredentialsError,
    "IncompleteSignature": KeyAccessDeniedError,
    "InvalidClientTokenId": KeyCredentialsError,
    "InvalidGrantTokenException": KeyAccessDeniedError,
    "InvalidSignatureException": KeyAccessDeniedError,
    "MissingAuthenticationToken": KeyAccessDeniedError,
    "MissingAuthenticationTokenException": KeyAccessDeniedError,
    "NotAuthorized": KeyAccessDeniedError,
    "OptInRequired": KeyAccessDeniedError,
    "RequestExpired": KeyAccessDeniedError,
    "SignatureDoesNotMatch": KeyAccessDeniedError,
    "UnrecognizedClientException": KeyCredentialsError,
    "InvalidArnException": KeyNotFoundError,
    "NotFoundException": KeyNotFoundError,
    # Disabled, pending deletion, pending import, or in a custom key store that is not connected.
    "DisabledException": KeyDisabledError,
    "KMSInvalidStateException": KeyDisabledError,
    "LimitExceededException": KeyThrottledError,
    "RequestLimitExceeded": KeyThrottledError,
    "Throttling": KeyThrottledError,
    "ThrottlingException": KeyThrottledError,
    "ThrottledException": KeyThrottledError,
    "TooManyRequestsException": KeyThrottledError,
    "DependencyTimeoutException": KeyUnreachableError,
    "InternalFailure": KeyUnreachableError,
    "InternalServerError": KeyUnreachableError,
    "KMSInternalException": KeyUnreachableError,
    "KeyUnavailableException": KeyUnreachableError,
    "RequestTimeout": KeyUnreachableError,
    "RequestTimeoutException": KeyUnreachableError,
    "ServiceUnavailable": KeyUnreachableError,
    "ServiceUnavailableException": KeyUnreachableError,
    # Another key than KeyId, other bytes or another encryption context: KMS does not distinguish the last two.
    "IncorrectKeyException": KeyMismatchError,
    "InvalidCiphertextException": KeyMismatchError,
    "DryRunOperationException": KeyServiceError,
    "InvalidKeyUsageException": KeyServiceError,
    "MalformedQueryString": KeyServiceError,
    "ValidationError": KeyServiceError,
    "ValidationException": KeyServiceError,
}
_NAMES: Mapping[str, type[KeyServiceError]] = {
    # botocore's own errors.
    "HTTPClientError": KeyUnreachableError,
    "ConnectionError": KeyUnreachableError,
    "IncompleteReadError": KeyUnreachableError,
    "ChecksumError": KeyUnreachableError,
    "FlexibleChecksumError": KeyUnreachableError,
    "CapacityNotAvailableError": KeyThrottledError,
    "NoCredentialsError": KeyCredentialsError,
    "PartialCredentialsError": KeyCredentialsError,
    "CredentialRetrievalError": KeyCredentialsError,
    "MetadataRetrievalError": KeyCredentialsError,
    "UnknownCredentialError": KeyAccessDeniedError,
    "RefreshWithMFAUnsupportedError": KeyAccessDeniedError,
    "NoAuthTokenError": KeyCredentialsError,
    "TokenRetrievalError": KeyCredentialsError,
    "UnknownTokenProviderError": KeyAccessDeniedError,
    "SSOError": KeyCredentialsError,
    "LoginError": KeyCredentialsError,
    # Everything else that botocore reports is wrong with its configuration, or with the request.
    "BotoCoreError": KeyServiceError,
    "ClientError": KeyServiceError,
}
_REMEDIES: Mapping[type[KeyServiceError], str] = {
    KeyAccessDeniedError: "grant kms:GenerateDataKey to writers and kms:Decrypt to readers, and check the credentials",
    KeyNotFoundError: "check kms_key_id and aws_region",
    KeyDisabledError: "enable the key, or cancel its deletion, in AWS KMS",
    KeyThrottledError: "raise the KMS request quota, or max_retries",
    KeyUnreachableError: "check endpoint_url, the network and timeout_ms",
    KeyMismatchError: "the wrapped key or its context was altered, or another key wrapped it",
}
_MOVED = "this process keeps the former one; restart it to use the new key, and list the former in previous_keys"
_STILL_EXPIRED = "credentials are still expired"
"""In the text of the error of botocore (credentials.py) whose class is none of its own."""
ERRORS = SdkErrors(service="AWS KMS", names=_NAMES, remedies=_REMEDIES)


class AwsKmsProvider(RemoteKeyProvider):
    """Wraps data keys with a symmetric key of AWS KMS (``aws_kms``).

    A writer needs ``kms:GenerateDataKey`` on the key (``kms:Encrypt`` on one of ``recipients``), a reader ``kms:Decrypt``;
    nothing else. A writer without
    ``kms:Decrypt`` sets ``writer_only``. A policy with conditions ``kms:EncryptionContext:service`` or
    ``:environment`` must also admit ``telemetry-check``, the context of the trial at the start.

    Credentials: ``aws_access_key_id`` and ``aws_secret_access_key`` (with ``aws_session_token``), or ``aws_profile``,
    else the chain of boto3: environment, shared configuration and SSO, web identity (EKS), container (ECS) and
    instance roles.

    The context is the encryption context, so KMS itself refuses another one, and CloudTrail shows it.
    A reader asks KMS about the configured key only (also a replica of a multi-Region key), never about one that a record
    names. An alias is resolved once, by the first answer of KMS; a provider keeps that key if the alias is moved. The key
    that it named before must then be listed in ``previous_keys``, or its records are refused.

    Args:
        config: ``kms_key_id`` is required: key id, key ARN, alias name (``alias/NAME``) or alias ARN.
    """

    extra = "aws"
    sdk = ("boto3",)
    body_loggers = ("botocore.parsers", "botocore.endpoint", "botocore.auth", "botocore.httpsession")

    def __init__(self, config: EncryptionConfig) -> None:
        super().__init__(config)
        self._key = AwsKey(config.kms_key_id or "")
        if not self._key.is_well_formed:
            raise misconfigured(
                field="kms_key_id", reason="is not a KMS key", remedy="give a key id, key ARN, alias/NAME or alias ARN"
            )
        self._region = config.aws_region or self._key.region
        if self._key.region not in (None, self._region):
            raise misconfigured(field="aws_region", reason="is not the region of kms_key_id", remedy="leave it out")
        self._endpoint = checked_endpoint(config.endpoint_url, field="endpoint_url") if config.endpoint_url else None
        self._explicit = require_together(config, "aws_access_key_id", "aws_secret_access_key", section=SECTION)
        if config.aws_session_token is not None and not self._explicit:
            raise misconfigured(
                field="aws_session_token", reason="is needed only with a key", remedy="set aws_access_key_id too"
            )

    def generate_data_key(self, context: Context) -> DataKey:
        """Generate a data key (GenerateDataKey, AES_256)."""
        key = self._key
        # By the alias, not by the key that it named at first: a policy may admit requests by the alias only.
        answer = self._generate(key.text, context)
        if key.is_moved(answer["KeyId"]):
            logger.warning("%s was moved to another key; %s", key, _MOVED)
            answer = self._generate(key.asked, context)
        arn = key.resolve(answer["KeyId"])
        if arn is None:
            message = f"generating a data key with {key} was answered by another key; check endpoint_url"
            raise KeyMismatchError(message)
        return DataKey(
            plaintext=require_data_key(answer["Plaintext"], key_uri=str(arn)),
            wrapped=answer["CiphertextBlob"],
            key_uri=f"{SCHEME}{arn}",
        )

    def wrap(self, plaintext: bytes, context: Context) -> Wrap:
        """Wrap a data key (Encrypt), which needs ``kms:Encrypt``."""
        # By ARN as soon as that is known: unlike a writer's request, no policy admitted this one by its alias so far.
        asked = self._key.asked
        answer = self._call(
            lambda kms: kms.encrypt(KeyId=asked, Plaintext=plaintext, EncryptionContext=dict(context)),
            doing=f"encrypting a data key with {asked}",
        )
        arn = self._key.resolve(answer["KeyId"])
        if arn is None:
            message = f"encrypting a data key with {self._key} was answered by another key; check endpoint_url"
            raise KeyMismatchError(message)
        return Wrap(answer["CiphertextBlob"], f"{SCHEME}{arn}")

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        """Unwrap a data key (Decrypt) with the configured key."""
        require_bounds(wrapped, key_uri)
        named = _named_by(key_uri)
        if named is None or not self._key.may_be(named):
            raise not_listed(key_uri, configured=f"the configured {self._key}")
        answer = self._decrypt(wrapped, named, context)
        answered = self._key.resolve(answer["KeyId"])
        if answered is None or not answered.is_same_key(named):
            del answer  # it has a data key, and a traceback with local variables must not show it
            message = f"the record names {key_uri!r} as its KEK, but another key unwrapped it; it was altered"
            raise KeyMismatchError(message)
        return require_data_key(answer["Plaintext"], key_uri=key_uri)

    def admits(self, key_uri: str) -> bool:
        """Whether a URI names the configured key, or one that an alias may name which is not resolved yet."""
        named = _named_by(key_uri)
        return named is not None and self._key.may_be(named)

    def _generate(self, key: str, context: Context) -> Any:
        return self._call(
            lambda kms: kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=dict(context)),
            doing=f"generating a data key with {key}",
        )

    def _decrypt(self, wrapped: bytes, named: Arn, context: Context) -> Any:
        # An alias that is not resolved yet is named itself: KMS then refuses what another key wrapped.
        asked = self._key.asked
        try:
            return self._call(
                lambda kms: kms.decrypt(CiphertextBlob=wrapped, KeyId=asked, EncryptionContext=dict(context)),
                doing=f"unwrapping a data key with {asked}",
            )
        except KeyMismatchError as exc:
            if not self._key.is_alias:
                raise
            message = f"{exc}; the record names {named}: if the alias named it earlier, list it in previous_keys"
            raise KeyMismatchError(message) from exc

    def _connect(self) -> KMSClient:
        import boto3  # noqa: PLC0415 - absent without the extra
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415

        try:
            session = boto3.Session(region_name=self._region, profile_name=self.config.aws_profile)
            # A copy of it is in every client of this session, those of its credentials too.
            session.events.register("before-send", TlsRequests(self._endpoint, service="kms"))
            return session.client(
                "kms",
                endpoint_url=self._endpoint,
                verify=ca_file(self.config),
                config=Config(
                    connect_timeout=self._timeout,
                    read_timeout=self._timeout,
                    retries={"total_max_attempts": 1, "mode": "standard"},
                ),
                **self._credentials(),
            )
        except BotoCoreError as exc:
            raise _unusable(exc) from exc

    def _credentials(self) -> dict[str, Any]:
        config = self.config
        if config.aws_access_key_id is None or config.aws_secret_access_key is None:
            return {}
        credentials = {
            "aws_access_key_id": config.aws_access_key_id,
            "aws_secret_access_key": config.aws_secret_access_key.get_secret_value(),
        }
        if config.aws_session_token is not None:
            credentials["aws_session_token"] = config.aws_session_token.get_secret_value()
        return credentials

    def _disconnect(self, client: KMSClient) -> None:
        client.close()

    def _translate(self, error: Exception, doing: str) -> KeyServiceError | None:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - absent without the extra

        if isinstance(error, ClientError):
            code = str(error.response.get("Error", {}).get("Code", ""))
            kind = ERROR_CODES.get(code) or _kind_of_status(error.response)
            return ERRORS.answered(kind, doing, code)
        if isinstance(error, BotoCoreError):
            return ERRORS.translated(ERRORS.kind_of(type(error)) or KeyServiceError, doing, error)
        if isinstance(error, RuntimeError) and _STILL_EXPIRED in str(error):
            return ERRORS.answered(KeyCredentialsError, doing, "credentials that have expired")
        return None


def _named_by(key_uri: str) -> Arn | None:
    """Return the key in a record's URI, or None if it names none of KMS."""
    return Arn.of_key(key_uri.removeprefix(SCHEME)) if key_uri.startswith(SCHEME) else None


def _kind_of_status(response: Any) -> type[KeyServiceError]:
    """Judge an error code that the documentation does not list."""
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status in (401, 403):  # a proxy or a firewall in front of KMS, which itself answers 400
        return KeyAccessDeniedError
    if status == 429:  # noqa: PLR2004 - RFC 6585 section 4
        return KeyThrottledError
    return KeyUnreachableError if status >= 500 else KeyServiceError  # noqa: PLR2004 - RFC 9110 section 15.6


def _unusable(exc: Exception) -> ConfigurationError:
    reason = f"boto3 cannot use the configuration ({type(exc).__name__})"
    return misconfigured(field="aws_region", reason=reason, remedy="set aws_region; check aws_profile")
