"""Lists a bucket of S3 by boto3, for names that obstore cannot parse."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from telemetry.config import StorageConfig
from telemetry.config.endpoints import TlsRequests
from telemetry.exceptions import MissingExtraError, StorageAccessDeniedError, StorageError, StorageUnreachableError

_DENIED = (401, 403)


def list_by_boto3(config: StorageConfig, *, below: str, prefix: str, after: str | None) -> Iterator[tuple[str, int]]:
    """Yield names and sizes, in the order of the names.

    Args:
        config: Configuration of ``aws_s3``.
        below: The store's own prefix, which is not part of the names.
        prefix: Beginning of the names, without it.
        after: The last name that is left out.

    Raises:
        MissingExtraError: boto3 is not installed.
        StorageError: The bucket cannot be listed.
    """
    root = f"{below}/" if below else ""
    asked = {"Bucket": config.bucket_name, "Prefix": root + prefix}
    if after is not None:
        asked["StartAfter"] = root + after
    client = s3_client(config)
    try:
        for page in client.get_paginator("list_objects_v2").paginate(**asked):
            for entry in page.get("Contents", ()):
                yield str(entry["Key"]).removeprefix(root), int(entry["Size"])
    except Exception as exc:
        raise _translated(exc, f"s3://{config.bucket_name}") from exc
    finally:
        client.close()


def s3_client(config: StorageConfig) -> Any:
    """Return a client of boto3 for what obstore cannot ask; the caller closes it.

    Raises:
        MissingExtraError: boto3 is not installed.
    """
    try:
        boto3, settings = import_module("boto3"), import_module("botocore.config")
    except ImportError as exc:
        feature = "looking at a bucket by boto3"
        raise MissingExtraError(feature, "aws") from exc
    seconds = config.timeout_ms / 1_000
    given: dict[str, Any] = {}
    if config.aws_access_key_id is not None and config.aws_secret_access_key is not None:
        token = config.aws_session_token
        given = {
            "aws_access_key_id": config.aws_access_key_id,
            "aws_secret_access_key": config.aws_secret_access_key.get_secret_value(),
            "aws_session_token": None if token is None else token.get_secret_value(),
        }
    # A session of its own: the one that boto3 keeps has the credentials that were there at its first use.
    client = boto3.Session().client(
        "s3",
        region_name=config.aws_region,
        endpoint_url=config.endpoint_url,
        verify=str(config.ca_path) if config.ca_path is not None else True,
        config=settings.Config(
            connect_timeout=seconds,
            read_timeout=seconds,
            retries={"total_max_attempts": config.max_retries + 1},
            s3={"addressing_style": "path"} if config.endpoint_url else None,
        ),
        **given,
    )
    # Whatever a variable of the SDK says, no request goes anywhere without TLS that the configuration does not name.
    endpoint = None if config.endpoint_url is None else config.endpoint_url.rstrip("/")
    client.meta.events.register("before-send", TlsRequests(endpoint, service="s3"))
    return client


def _translated(error: Exception, location: str) -> StorageError:
    # Neither the text of the error nor its class: both are boto3's, and may contain a URL with a signature.
    answer = getattr(error, "response", None)
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(answer, dict) else None
    if status in _DENIED:
        return StorageAccessDeniedError(f"listing {location} failed: grant s3:ListBucket on the bucket")
    return StorageUnreachableError(f"listing {location} failed: {type(error).__name__}")
