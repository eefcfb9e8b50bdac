"""Keeps objects in Amazon S3, or a store with its protocol: the fallback store ``aws_s3``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from telemetry.config.endpoints import TlsRequests, require_together, store_endpoint
from telemetry.exceptions import ConfigurationError, MissingExtraError, Problem
from telemetry.storage.object_store import ObjectStoreProvider, Permissions
from telemetry.storage.odd_names import is_odd
from telemetry.storage.provider import StoredObject
from telemetry.storage.s3_listing import list_by_boto3

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Credential, S3Store

_CREDENTIAL_LIFE = timedelta(minutes=5)
"""boto3 renews credentials 10 to 15 minutes before their end, so asking it this often is always early enough."""


class AwsS3Provider(ObjectStoreProvider):
    """Keeps objects in a bucket of Amazon S3 (``aws_s3``).

    Permissions of the process's role, on ``arn:aws:s3:::BUCKET/PREFIX/*``: ``s3:PutObject``, ``s3:GetObject``,
    ``s3:DeleteObject``; on ``arn:aws:s3:::BUCKET``: ``s3:ListBucket``, which may be limited by the condition
    ``s3:prefix``. With ``aws:kms`` encryption also ``kms:GenerateDataKey`` and ``kms:Decrypt`` on ``sse_kms_key_id``.

    Credentials: ``aws_access_key_id`` and ``aws_secret_access_key`` (with ``aws_session_token``), else the chain of
    boto3: environment, shared configuration and SSO, web identity (EKS), container (ECS) and instance roles.

    Objects are created with ``If-None-Match: *`` and a SHA-256 checksum, so that a bucket with a default retention
    (S3 Object Lock) accepts them. There the deletion after the replay leaves a delete marker, and the locked version stays
    until its retention ends. A retention for single objects cannot be requested: obstore does not sign those headers.

    Args:
        config: ``bucket_name`` is required.
    """

    extra = "aws"
    permissions = Permissions(
        put="s3:PutObject on the prefix (and kms:GenerateDataKey and kms:Decrypt on the encryption key)",
        get="s3:GetObject on the prefix",
        list="s3:ListBucket on the bucket",
        delete="s3:DeleteObject on the prefix",
    )

    @property
    def location(self) -> str:
        """``s3://bucket/prefix``."""
        return "/".join(part for part in (f"s3://{self.config.bucket_name}", self._prefix) if part)

    def _create_store(self) -> S3Store:
        from obstore.store import S3Store  # noqa: PLC0415 - absent without the extra

        explicit = require_together(self.config, "aws_access_key_id", "aws_secret_access_key")
        chain = None if explicit else _DefaultChain()
        return S3Store(
            self.config.bucket_name,
            prefix=self._prefix or None,
            config=self._settings(chain),
            client_options=self._client_options,
            retry_config=self._retry_config,
            credential_provider=chain,
        )

    def _list_otherwise(self, prefix: str, *, after: str | None) -> Iterator[StoredObject]:
        """Go on by boto3, which parses any name, so that no object on the same page is hidden."""
        for name, size in list_by_boto3(self.config, below=self._prefix, prefix=prefix, after=after):
            if is_odd(name):
                self._report_odd(name, is_hiding=False)
            else:
                yield StoredObject(name, size)

    def _settings(self, chain: _DefaultChain | None) -> S3Config:
        config = self.config
        # Stated, so that no environment variable can turn the protections off.
        settings: S3Config = {
            "conditional_put": "etag",
            "checksum_algorithm": "SHA256",
            "disable_bulk_delete": True,
            "skip_signature": False,
        }
        region = config.aws_region or (chain.region if chain else None)
        if region:
            settings["region"] = region
        endpoint = store_endpoint(config)
        if endpoint:
            settings["endpoint"] = endpoint
            settings["virtual_hosted_style_request"] = False
        self._add_credentials(settings)
        self._add_encryption(settings)
        return settings

    def _add_credentials(self, settings: S3Config) -> None:
        config = self.config
        if config.aws_access_key_id is None or config.aws_secret_access_key is None:
            if config.aws_session_token is not None:
                problem = Problem("aws_session_token", "is needed only with a key", "set aws_access_key_id too")
                raise ConfigurationError(problem)
            return
        settings["access_key_id"] = config.aws_access_key_id
        settings["secret_access_key"] = config.aws_secret_access_key.get_secret_value()
        if config.aws_session_token is not None:
            settings["session_token"] = config.aws_session_token.get_secret_value()

    def _add_encryption(self, settings: S3Config) -> None:
        config = self.config
        if config.sse_kms_key_id is not None:
            if config.server_side_encryption not in ("aws:kms", "aws:kms:dsse"):
                problem = Problem(
                    "sse_kms_key_id", "is used by aws:kms only", "set server_side_encryption to aws:kms or aws:kms:dsse"
                )
                raise ConfigurationError(problem)
            settings["sse_kms_key_id"] = config.sse_kms_key_id
        if config.server_side_encryption is not None:
            settings["server_side_encryption"] = config.server_side_encryption


class _DefaultChain:
    """Gives obstore the credentials of boto3's chain, which knows more sources than obstore's own."""

    def __init__(self) -> None:
        try:
            session = import_module("boto3").Session()
        except ImportError as exc:
            feature = "aws_s3 without aws_access_key_id"
            raise MissingExtraError(feature, "aws") from exc
        session.events.register("before-send", TlsRequests(None))
        self._session: Any = session
        self.region: str | None = session.region_name

    def __call__(self) -> S3Credential:
        credentials = self._session.get_credentials()
        if credentials is None:
            message = "boto3 finds no AWS credentials in any of its sources; configure a role, a profile or a key"
            raise PermissionError(message)
        frozen = credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _CREDENTIAL_LIFE,
        }
